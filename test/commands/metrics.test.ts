import { readdir, readFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { HashQueue } from '../../src/accounts/hash-queue.ts'
import { openMetrics } from '../../src/commands/metrics.ts'
import { loadConfig } from '../../src/config.ts'
import { listenForScrapes } from '../../src/metrics/listen.ts'
import { freePort } from '../free-port.ts'
import { parseMetrics, valueOf } from '../metrics/parser.ts'
import { kss, serve } from './kss.ts'

t.test('a scrape has what readers did, and no name', async (t) => {
  const port = String(await freePort())
  const { url, stop } = await serve(t, t.testdir({}), [], { KSS_METRICS_PORT: port, KSS_REGISTRATIONS_PER_HOUR: '1' })
  const headers = { 'x-auth-user': 'ann-marie', 'x-auth-key': 'secret-key' }
  const create = (username: string) =>
    fetch(`${url}/users/create`, { method: 'POST', body: JSON.stringify({ username, password: 'secret-key' }) })
  t.equal((await create('ann-marie')).status, 201)
  t.equal((await create('bob')).status, 429)
  const push = { document: 'dune-0123', percentage: 0.5, progress: '56', device: 'my-kobo' }
  for (const progress of ['1', '2', '3']) {
    const body = JSON.stringify({ ...push, progress })
    t.equal((await fetch(`${url}/syncs/progress`, { method: 'PUT', headers, body })).status, 200)
  }
  t.equal((await fetch(`${url}/syncs/progress/dune-0123`, { headers })).status, 200)
  t.equal((await fetch(`${url}/users/auth`)).status, 401)
  const scrape = await fetch(`http://127.0.0.1:${port}/metrics`)
  t.match(scrape.headers.get('content-type'), /^text\/plain; version=0\.0\.4/)
  const text = await scrape.text()
  t.notMatch(text, /ann-marie|bob|dune|my-kobo|secret-key|127\.0\.0\.1/)
  const families = parseMetrics(text)
  const requests = (route: string, method: string, status: string): number =>
    valueOf(families, 'kss_requests_total', { route, method, status })
  t.equal(requests('/users/create', 'POST', '201'), 1)
  t.equal(requests('/users/create', 'POST', '429'), 1)
  t.equal(requests('/syncs/progress', 'PUT', '200'), 3)
  t.equal(requests('/syncs/progress/:document', 'GET', '200'), 1)
  t.equal(requests('/users/auth', 'GET', '401'), 1)
  t.equal(valueOf(families, 'kss_limit_hits_total', { limit: 'registrations' }), 1)
  t.ok(valueOf(families, 'kss_log_flushes_total') >= 3)
  t.ok(valueOf(families, 'kss_log_flush_seconds_total') > 0)
  t.ok(valueOf(families, 'kss_log_bytes') > 0)
  t.ok(valueOf(families, 'kss_checkpoint_lag_seconds') > 0)
  t.ok(valueOf(families, 'kss_cache_hits_total') > 0)
  t.ok(valueOf(families, 'kss_cache_misses_total') > 0)
  t.equal(valueOf(families, 'kss_hash_queue'), 0)
  t.equal(valueOf(families, 'kss_users'), 1)
  t.ok(valueOf(families, 'process_resident_memory_bytes') > 0)
  t.ok(families.has('nodejs_eventloop_lag_p99_seconds'))
  t.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 404)
  t.equal((await fetch(`http://127.0.0.1:${port}/metrics`, { method: 'POST' })).status, 404)
  t.equal((await fetch(`${url}/metrics`)).status, 404, 'not on the port of readers')
  t.equal(await stop(), 0)
})

t.test('a port of metrics that is taken is one line, and the folder is free again', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = String((server.address() as AddressInfo).port)
  t.teardown(() => server.close())
  const dir = t.testdir({})
  const env = { KSS_METRICS_PORT: port }
  const ended = await kss(t, ['serve', '--host', '127.0.0.1', '--port', '0', '--dir', dir], env)
  const line = new RegExp(`^Cannot listen for metrics on 127\\.0\\.0\\.1, port ${port}: .*EADDRINUSE.*\\n$`)
  t.match(ended, { code: 1, stderr: line })
  t.match(await kss(t, ['user', 'list', '--dir', dir]), { code: 0 })
})

t.test('users are counted once a minute, and stay as they were while the store is away', async (t) => {
  const port = String(await freePort())
  const { config } = loadConfig({ KSS_METRICS_PORT: port }, undefined, {})
  let now = 0
  let countUsers = (): Promise<number> => Promise.resolve(1)
  const figures = { flushes: 0, flushSeconds: 0, logBytes: 0, lagSeconds: 0, cacheHits: 0, cacheMisses: 0 }
  const stats = { failure: () => undefined, figures: () => figures }
  const parts = { stats, outbox: undefined, queue: new HashQueue(), countUsers: () => countUsers() }
  const metrics = openMetrics(config, parts, () => now)
  await metrics.listen()
  t.teardown(metrics.close)
  const users = async (): Promise<number> =>
    valueOf(parseMetrics(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()), 'kss_users')
  t.equal(await users(), 1)
  countUsers = () => Promise.resolve(2)
  t.equal(await users(), 1)
  now += 60_000
  t.equal(await users(), 2)
  countUsers = () => Promise.reject(new Error('Redis is away'))
  now += 60_000
  t.equal(await users(), 2)
})

t.test('a scrape that fails is a 500, and the next one is served', async (t) => {
  let read = (): Promise<string> => Promise.reject(new Error('no figures'))
  const metrics = { count: () => undefined, contentType: 'text/plain', read: () => read() }
  const server = await listenForScrapes(metrics, '127.0.0.1', 0)
  t.teardown(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`
  const failed = await fetch(url)
  t.equal(failed.status, 500)
  t.equal(await failed.text(), 'Error: no figures\n')
  read = () => Promise.resolve('fine')
  t.equal(await (await fetch(url)).text(), 'fine')
})

t.test('without metrics, https and Audiobookshelf, nothing of them is loaded', async (t) => {
  const dist = join(import.meta.dirname, '..', '..', 'dist')
  const names = await readdir(dist)
  const texts = new Map<string, string>()
  for (const name of names.filter((each) => each.endsWith('.js')))
    texts.set(name, await readFile(join(dist, name), 'utf8'))
  const loaded = new Set<string>()
  const load = (name: string): void => {
    if (loaded.has(name)) return
    loaded.add(name)
    const found = texts.get(name)!.matchAll(/^(?:import|export) (?:[^;]*? from )?"\.\/([\w-]+\.js)";$/gm)
    for (const [, imported = ''] of found) load(imported)
  }
  load(names.find((name) => /^serve-\w+\.js$/.test(name))!)
  t.ok(loaded.size > 5)
  const withText = (text: string): string[] =>
    [...texts].filter(([, each]) => each.includes(text)).map(([name]) => name)
  const optional = ['monitorEventLoopDelay', 'function createTlsListener', 'SubjectAlternativeName', 'x-abs-user-token']
  for (const text of optional) {
    const having = withText(text)
    t.ok(having.length > 0, text)
    t.notOk(
      having.some((name) => loaded.has(name)),
      text,
    )
  }
})
