import { readFile } from 'node:fs/promises'
import http from 'node:http'
import https from 'node:https'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import t from 'tap'
import { openUpstream } from '../../src/commands/upstream.ts'
import { loadConfig } from '../../src/config.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { openOld } from '../upstream/moving.ts'
import { listen } from '../upstream/stub.ts'
import { kss, serve } from './kss.ts'

const pem = new URL('../upstream/localhost.pem', import.meta.url)

/** The upstream that the settings give, and what is logged of that. */
async function open(env: Record<string, string>): Promise<{ isThere: boolean; log: string }> {
  let log = ''
  const logger = pino({}, { write: (line) => (log += line) })
  const { config } = loadConfig({}, undefined, env)
  const upstream = await openUpstream(config, new MemoryStore(), logger)
  return { isThere: upstream !== undefined, log }
}

t.test('there is no upstream unless one is set', async (t) => {
  t.same(await open({ KSS_UPSTREAM_USERS: 'ann' }), { isThere: false, log: '' })
})

t.test('an upstream whose time is over is none', async (t) => {
  const { isThere, log } = await open({ KSS_UPSTREAM: 'https://old.example', KSS_UPSTREAM_UNTIL: '2020-12-31' })
  t.notOk(isThere)
  t.match(log, 'KSS_UPSTREAM_UNTIL is over')
})

t.test('who opens registration while users move is warned', async (t) => {
  const env = { KSS_UPSTREAM: 'https://old.example', KSS_UPSTREAM_UNTIL: '2999-12-31' }
  t.match(await open(env), { isThere: true, log: 'close registration' })
  t.same(await open({ ...env, KSS_DISABLE_REGISTRATION: 'true' }), { isThere: true, log: '' })
})

t.test('an upstream that is no address ends the start', async (t) => {
  const { code, stderr } = await kss(t, ['serve', '--dir', t.testdirName], { KSS_UPSTREAM: 'old.example' })
  t.equal(code, 2)
  t.match(stderr, /^KSS_UPSTREAM is "old.example": expected an address like/)
})

t.test('kss serve moves a user from a server with a certificate, and keeps what it moved', async (t) => {
  const { reader, origin } = await openOld(t)
  await reader.update({ document: 'abc', percentage: 0.5, progress: '56', device: 'kpw' })
  const key = await readFile(pem)
  // The certificate's end in front of the old server.
  const proxy = https.createServer({ key, cert: key }, ({ url, headers }, response) => {
    http.get(`${origin}${url}`, { headers }, (reply) => reply.pipe(response))
  })
  const { port } = new URL(await listen(t, proxy))
  const dir = t.testdir({})
  const env = { KSS_UPSTREAM: `https://localhost:${port}/`, NODE_EXTRA_CA_CERTS: fileURLToPath(pem) }
  const server = await serve(t, dir, ['--disable-registration'], env)
  const pull = (url: string): Promise<Response> => fetch(`${url}/syncs/progress/abc`, { headers: reader.headers })
  const moved = await (await pull(server.url)).json()
  t.match(moved, { document: 'abc', percentage: 0.5, progress: '56', device: 'kpw', timestamp: 1_600_000_000 })
  t.equal(await server.stop(), 0)
  const next = await serve(t, dir)
  t.same(await (await pull(next.url)).json(), moved)
  t.equal(await next.stop(), 0)
})
