#!/usr/bin/env node
// Plain old JavaScript: it must run on the Node that is too old, and before there is a build.
'use strict'
var fs = require('fs')
var path = require('path')

var root = path.join(__dirname, '..')
var version = process.versions.node.split('.')
var build = path.join(root, 'dist', 'bin.js')
// Only a checkout has it.
var sources = path.join(root, 'build', 'sources.cjs')
/* c8 ignore start -- test/package.test.ts and test/build.test.ts run these from a copy */
if (version[0] < 20 || (version[0] === '20' && version[1] < 19)) {
  console.error('kss needs Node.js 20.19 or newer; this is ' + process.versions.node + '. See https://nodejs.org')
  process.exit(1)
} else if (!fs.existsSync(build)) {
  console.error('kss is not built here. Run: npm ci')
  process.exit(1)
} else if (fs.existsSync(sources) && !require(sources).isUpToDate(root)) {
  console.error('The build is older than the source. Run: npm run build')
  process.exit(2)
  /* c8 ignore stop */
} else {
  // Threads that may wait for the disk or hash keys. Of Node's 4, slow flushes could take all, and reads would wait.
  process.env.UV_THREADPOOL_SIZE = process.env.UV_THREADPOOL_SIZE || '8'
  void import(require('url').pathToFileURL(build).href)
}
