'use strict'
const { createHash } = require('node:crypto')
const fs = require('node:fs')
const path = require('node:path')

/** A sum of all that a build is made from. Times would not do: git and cp -p may bring a file that is older than it. */
function hashSources(root) {
  const found = ['build', 'src'].flatMap((folder) =>
    fs.readdirSync(path.join(root, folder), { recursive: true }).map((name) => path.join(folder, name)),
  )
  const modules = found
    .filter((name) => /\.(ts|js|cjs|css)$/.test(name))
    .toSorted((one, other) => (one < other ? -1 : 1))
  const hash = createHash('sha256')
  // The lock file tells the packages, which are in the bundle.
  for (const name of ['package-lock.json', 'tsconfig.json', ...modules]) {
    const text = fs.readFileSync(path.join(root, name))
    hash.update(`${name} ${text.length}\n`).update(text)
  }
  return hash.digest('hex')
}

/** The file in which a build notes the sum of its sources. */
const noteOf = (folder) => path.join(folder, '.sources')

/** Whether the folder, dist/ if left out, holds a build of the present sources. */
function isUpToDate(root, folder = path.join(root, 'dist')) {
  const note = noteOf(folder)
  return fs.existsSync(note) && fs.readFileSync(note, 'utf8') === hashSources(root)
}

module.exports = { hashSources, isUpToDate, noteOf }
