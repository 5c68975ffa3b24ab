'use strict'
const fs = require('node:fs')
const path = require('node:path')

/** The paths of all that a build is made from, with the folders. */
function listSources(root) {
  const walk = (folder) =>
    fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      const each = path.join(folder, entry.name)
      return entry.isDirectory() ? [each, ...walk(each)] : each
    })
  // The lock file tells the packages, which are in the bundle.
  const names = ['package-lock.json', 'tsconfig.json', 'build', 'src'].map((name) => path.join(root, name))
  return [...names, ...walk(names[2]), ...walk(names[3])]
}

/** A hash of all that a build is made from. */
function hashSources(root) {
  const modules = listSources(root)
    .filter((name) => /\.(ts|js|cjs|json|css)$/.test(name))
    .toSorted((one, other) => (one < other ? -1 : 1))
  const hash = require('node:crypto').createHash('sha256')
  for (const name of modules) {
    const text = fs.readFileSync(name)
    hash.update(`${path.relative(root, name)} ${text.length}\n`).update(text)
  }
  return hash.digest('hex')
}

/** Milliseconds between two ticks of a file system's clock, at most. */
const tickMs = 1000

/**
 * The times at which the kernel noted the last change of each file and each folder: their sum, another one after any change,
 * and the newest. The times of modification would not do: git and cp -p may bring a file that is older than the build.
 */
function changeTimes(root) {
  const times = listSources(root).map((name) => Math.floor(fs.statSync(name).ctimeMs))
  return { sum: times.reduce((sum, time) => sum + time, 0), newest: Math.max(...times) }
}

/** The file in which a build notes its sources. */
const noteOf = (folder) => path.join(folder, '.sources')

/** What a build notes of the present sources, to be taken before it reads them: what changes meanwhile is then newer. */
function describeSources(root, now = Date.now()) {
  const { sum, newest } = changeTimes(root)
  // As in git's index: what changes twice within a tick has one time.
  const times = newest < now - tickMs ? sum : 'unknown'
  return `${times} ${hashSources(root)}`
}

/** Whether the folder, dist/ if left out, holds a build of the present sources. */
function isUpToDate(root, folder = path.join(root, 'dist')) {
  const note = noteOf(folder)
  if (!fs.existsSync(note)) return false
  const [times, hash] = fs.readFileSync(note, 'utf8').split(' ')
  // All sources are read for a copy, whose times are its own: that takes longer.
  return times === `${changeTimes(root).sum}` || hash === hashSources(root)
}

module.exports = { describeSources, isUpToDate, noteOf }
