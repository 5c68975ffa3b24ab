'use strict'
const { createHash } = require('node:crypto')
const { existsSync, readdirSync, readFileSync } = require('node:fs')
const { join } = require('node:path')

/** A sum of all that dist/ is built from. Times would not do: git and cp -p may bring a file that is older than the build. */
function hashSources(root) {
  const modules = readdirSync(join(root, 'src'), { recursive: true }).filter((name) => name.endsWith('.ts'))
  const paths = ['tsconfig.json', 'tsconfig.build.json', ...modules.toSorted().map((name) => join('src', name))]
  const hash = createHash('sha256')
  for (const path of paths) {
    const text = readFileSync(join(root, path))
    hash.update(`${path} ${text.length}\n`).update(text)
  }
  return hash.digest('hex')
}

/** The file in which the build notes the sum of its sources. */
const noteOf = (folder) => join(folder, '.sources')

function isUpToDate(root) {
  const note = noteOf(join(root, 'dist'))
  return existsSync(note) && readFileSync(note, 'utf8') === hashSources(root)
}

module.exports = { hashSources, isUpToDate, noteOf }
