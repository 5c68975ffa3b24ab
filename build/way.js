// Run by size.js: a server of single modules, and what runs in it while it answers one request of a reader.
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, sep } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'

const modules = join(import.meta.dirname, '..', '.covered', 'dist') + sep
const load = (path) => import(pathToFileURL(join(modules, path)).href)

const dir = mkdtempSync(join(tmpdir(), 'kss-size-'))
process.once('exit', () => rmSync(dir, { recursive: true, force: true }))
const session = new Session()
session.connect()
await session.post('Profiler.enable')
// In detail, though functions would do: a test may measure the coverage of this process too.
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
const port = await freePort()
await start()

const key = '5ebe2294ecd0e0f08eab7690d2a6ee69'
const headers = { 'x-auth-user': 'ann', 'x-auth-key': key, 'content-type': 'application/json' }
const push = { document: 'dune', percentage: 0.25, progress: '56', device: 'kobo' }
const put = () => ask('PUT', '/syncs/progress', push)
const get = () => ask('GET', '/syncs/progress/dune')
await ask('POST', '/users/create', { username: 'ann', password: key })
// The account and the record are at hand then, as for all pushes of a reader but the first.
for (const warmUp of [put, get, put, get]) await warmUp()
process.send({ PUT: await wayOf(put), GET: await wayOf(get) }, () => process.exit())

async function start() {
  const [{ loadConfig }, { serve }] = await Promise.all([load('config.js'), load('commands/serve.js')])
  const settings = { KSS_DIR: dir, KSS_HOST: '127.0.0.1', KSS_PORT: `${port}`, KSS_LOG_FORMAT: 'json' }
  const loaded = loadConfig({}, undefined, settings)
  await serve(loaded, (command) => command)
}

/** The fewest files of some tries: in the others the server worked behind its answers too, at the files of a push, say. */
async function wayOf(request) {
  const tries = []
  for (let at = 0; at < 6; at += 1) {
    await sleep(250)
    tries.push(await filesOf(request))
  }
  return tries.toSorted((one, other) => one.length - other.length)[0]
}

async function filesOf(request) {
  // Begins to count anew.
  await session.post('Profiler.takePreciseCoverage')
  await request()
  const { result } = await session.post('Profiler.takePreciseCoverage')
  const ran = result.filter(({ functions }) => functions.some(({ ranges: [range] }) => range.count > 0))
  const paths = ran.filter(({ url }) => url.startsWith('file:')).map(({ url }) => fileURLToPath(url))
  return paths
    .filter((path) => path.startsWith(modules))
    .map((path) => path.slice(modules.length).replace(/js$/, 'ts'))
    .toSorted()
}

async function ask(method, path, body) {
  const request = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) }
  const response = await fetch(`http://127.0.0.1:${port}${path}`, request)
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
  return await response.text()
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port: found } = server.address()
  server.close()
  await once(server, 'close')
  return found
}
