// Preloaded (`--require`) into each kss that a test starts to measure its coverage. What tap would preload also lists the
// modules, by hooks in a thread of their own, which takes longer than a short command does.
'use strict'
const { randomUUID } = require('node:crypto')
const fs = require('node:fs')
const { Session } = require('node:inspector')
const path = require('node:path')
const { pathToFileURL } = require('node:url')

const root = path.join(__dirname, '..')
/** Where tap looks for coverage. */
const folder = path.join(root, '.tap', 'coverage')
/** What build/modules.js makes. */
const covered = pathToFileURL(path.join(root, '.covered')).href

const session = new Session()
session.connect()
session.post('Profiler.enable')
session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })

function write() {
  session.post('Profiler.takePreciseCoverage', (error, { result }) => {
    if (error) throw error
    const own = result.filter(({ url }) => url.startsWith(covered))
    fs.mkdirSync(folder, { recursive: true })
    fs.writeFileSync(path.join(folder, `${randomUUID()}.json`), JSON.stringify({ result: own }))
  })
}

// After all listeners: what they run counts, too.
const emit = process.emit.bind(process)
process.emit = (event, ...args) => {
  const hasListeners = emit(event, ...args)
  if (event === 'exit') write()
  return hasListeners
}
