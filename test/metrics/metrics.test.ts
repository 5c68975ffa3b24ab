import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { parse } from 'yaml'
import { createMetrics, type MetricsSources } from '../../src/metrics/metrics.ts'
import { until } from '../until.ts'
import { parseMetrics, valueOf } from './parser.ts'

const figures = { flushes: 7, flushSeconds: 0.5, logBytes: 4096, lagSeconds: 12.5, cacheHits: 90, cacheMisses: 10 }
let failure: unknown

const create = (more: Partial<MetricsSources> = {}) =>
  createMetrics({
    basePath: '',
    stats: { failure: () => failure, figures: () => figures },
    hashes: () => 3,
    users: async () => 42,
    ...more,
  })

t.test('what the store and the queue tell is in each scrape', async (t) => {
  const metrics = create()
  t.match(metrics.contentType, /^text\/plain; version=0\.0\.4/)
  const families = parseMetrics(await metrics.read())
  for (const [name, type, value] of [
    ['kss_log_flushes_total', 'COUNTER', 7],
    ['kss_log_flush_seconds_total', 'COUNTER', 0.5],
    ['kss_log_bytes', 'GAUGE', 4096],
    ['kss_checkpoint_lag_seconds', 'GAUGE', 12.5],
    ['kss_cache_hits_total', 'COUNTER', 90],
    ['kss_cache_misses_total', 'COUNTER', 10],
    ['kss_store_ready', 'GAUGE', 1],
    ['kss_hash_queue', 'GAUGE', 3],
    ['kss_users', 'GAUGE', 42],
  ] as const) {
    t.match(families.get(name), { type })
    t.equal(valueOf(families, name), value, name)
  }
  t.notOk(families.has('kss_bridge_outbox'))
  failure = new Error('ENOSPC')
  t.equal(valueOf(parseMetrics(await metrics.read()), 'kss_store_ready'), 0)
  failure = undefined
  t.equal(valueOf(parseMetrics(await create({ outbox: () => 5 }).read()), 'kss_bridge_outbox'), 5)
})

const request = { method: 'GET', path: '/users/auth', status: 200, ms: 2 }

for (const [path, basePath, route] of [
  ['/users/auth', '', '/users/auth'],
  ['/kosync/syncs/progress', '/kosync', '/syncs/progress'],
  ['/syncs/progress/0123', '', '/syncs/progress/:document'],
  ['/kosync/syncs/progress/a/b', '/kosync', '/syncs/progress/:document'],
  ['/users/auth', '/kosync', 'other'],
  ['/wp-login.php', '', 'other'],
  ['-', '', 'none'],
] as const) {
  t.test(`${path} is counted for the route ${route}, where the base path is "${basePath}"`, async (t) => {
    const metrics = create({ basePath })
    metrics.count({ ...request, path })
    const labels = { route, method: 'GET', status: '200' }
    t.equal(valueOf(parseMetrics(await metrics.read()), 'kss_requests_total', labels), 1)
  })
}

t.test('whatever strangers ask for, there are few labels', async (t) => {
  const metrics = create()
  for (let at = 0; at < 100; at += 1) metrics.count({ ...request, path: `/${at}`, method: `M${at}`, status: 404 })
  const [sample, ...others] = parseMetrics(await metrics.read()).get('kss_requests_total')!.metrics
  t.same(sample, { labels: { route: 'other', method: 'other', status: '404' }, value: '100' })
  t.same(others, [])
})

t.test('times of requests are in their buckets, in seconds', async (t) => {
  const metrics = create()
  for (const ms of [1, 30, 50, 5000, 5001]) metrics.count({ ...request, ms })
  metrics.count({ ...request, path: '/healthcheck', ms: 3 })
  const text = await metrics.read()
  t.match(text, '# TYPE kss_request_duration_seconds histogram\n')
  const lines = [...text.matchAll(/^kss_request_duration_seconds_(\w+)\{(?:le="(.*)",)?route="(.*)"\} (.*)$/gm)]
  const valuesOf = (route: string) =>
    Object.fromEntries(
      lines.filter((line) => line[3] === route).map(([, what, le, , value]) => [le ?? what, Number(value)]),
    )
  const auth = valuesOf('/users/auth')
  t.match(auth, { 0.001: 1, 0.0025: 1, 0.025: 1, 0.05: 3, 2: 3, 5: 4, '+Inf': 5, count: 5 })
  t.match(auth['sum']!.toFixed(9), '10.082000000')
  t.match(valuesOf('/healthcheck'), { 0.0025: 0, 0.005: 1, '+Inf': 1, sum: 0.003, count: 1 })
  t.equal(lines.length, 2 * 15)
})

t.test('requests are counted by method and status', async (t) => {
  const metrics = create()
  for (const status of [200, 401, 401]) metrics.count({ ...request, status })
  metrics.count({ ...request, method: 'HEAD', status: 405 })
  for (let scrape = 0; scrape < 2; scrape += 1) {
    const families = parseMetrics(await metrics.read())
    const count = (method: string, status: string): number =>
      valueOf(families, 'kss_requests_total', { route: '/users/auth', method, status })
    t.same([count('GET', '200'), count('GET', '401'), count('HEAD', '405')], [1, 2, 1])
  }
})

t.test('the process is in each scrape', async (t) => {
  const metrics = create()
  const families = parseMetrics(await metrics.read())
  for (const [name, most] of [
    ['process_cpu_seconds_total', 1e6],
    ['process_resident_memory_bytes', 1e12],
    ['nodejs_heap_size_total_bytes', 1e12],
    ['nodejs_heap_size_used_bytes', 1e12],
    ['nodejs_external_memory_bytes', 1e12],
  ] as const) {
    const value = valueOf(families, name)
    t.ok(value > 0 && value < most, `${name} ${value}`)
  }
  const age = Date.now() / 1000 - valueOf(families, 'process_start_time_seconds')
  t.ok(Math.abs(age - process.uptime()) < 60)
})

t.test('the lag of the event loop is that since the last scrape', async (t) => {
  const metrics = create()
  const lag = async (name: string): Promise<number> =>
    valueOf(parseMetrics(await metrics.read()), `nodejs_eventloop_lag_${name}_seconds`)
  // The time of the first look after a scrape is not known, so a delay counts from the second one on.
  await until(async () => {
    await sleep(50)
    const end = performance.now() + 200
    while (performance.now() < end);
    // So that its timer is late.
    await sleep(0)
    return (await lag('max')) >= 0.2
  })
  t.ok((await lag('max')) < 0.2, 'nothing of it is left')
  const families = parseMetrics(await metrics.read())
  for (const name of ['mean', 'p50', 'p90', 'p99', 'max'])
    t.ok(families.has(`nodejs_eventloop_lag_${name}_seconds`), name)
})

for (const [limit, counted] of [
  ['logins', { status: 429 }],
  ['registrations', { status: 429, path: '/users/create' }],
  ['registrations', { status: 402, path: '/users/create', reason: 'Too many attempts. Try again later.' }],
  ['connections', { status: 429, method: '-', path: '-' }],
  ['quota', { status: 507, reason: 'The account ann keeps as much as it may.' }],
] as const) {
  t.test(`${JSON.stringify(counted)} is a hit of the limit of ${limit}, and others are none`, async (t) => {
    const metrics = create()
    const other = [{ status: 402, reason: 'Username is already registered.' }, { status: 507 }, { status: 401 }]
    for (const each of [counted, ...other]) metrics.count({ ...request, ...each })
    const families = parseMetrics(await metrics.read())
    for (const name of ['logins', 'registrations', 'connections', 'quota']) {
      t.equal(valueOf(families, 'kss_limit_hits_total', { limit: name }), name === limit ? 1 : 0, name)
    }
  })
}

t.test('the dashboard and the alerts name only what is exported', async (t) => {
  const metrics = create({ outbox: () => 5 })
  metrics.count(request)
  const exported = parseMetrics(await metrics.read())
  const read = (name: string) => readFile(new URL(`../../docs/metrics/${name}`, import.meta.url), 'utf8')
  const alerts = parse(await read('alerts.yml')) as { groups: { rules: { expr: string }[] }[] }
  const dashboard = JSON.parse(await read('dashboard.json')) as { panels: { targets: { expr: string }[] }[] }
  const expressions = [
    ...alerts.groups.flatMap(({ rules }) => rules),
    ...dashboard.panels.flatMap((each) => each.targets),
  ]
  const names = expressions.flatMap(({ expr }) => expr.match(/\b(kss|nodejs|process)_\w+/g) ?? [])
  t.ok(names.length > 20)
  const known = (name: string): boolean => exported.has(name) || exported.has(name.replace(/_(bucket|count|sum)$/, ''))
  t.same(
    names.filter((name) => !known(name)),
    [],
  )
  const page = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8')
  const own = [...exported.keys()].filter((name) => name.startsWith('kss_'))
  t.same(
    own.filter((name) => !page.includes(`\`${name}\``)),
    [],
    'docs/operations.md has all of them',
  )
})
