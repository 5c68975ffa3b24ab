// What one request costs a server and the engine behind it.
import { join } from 'node:path'
import type { RedisEngine } from './engine.ts'
import type { Load, LoadResult } from './load.ts'
import { median } from './measure.ts'
import { cpuMilliseconds, mainThreadSeconds, startGenerator } from './processes.ts'

/** Of one request, in µs of processor time, and how many. */
export interface Costs {
  /** Of the main thread of each process of the servers. */
  main: number
  /** Of all their threads. */
  all: number
  engine: number
  /** Scripts that the engine was asked to run. */
  scripts: number
  /** Of the append-only file. */
  bytes: number
  perSecond: number
  p50: number
  p99: number
}

/** One server: a port, and all processes of which it is made. */
export interface Costly {
  port: number
  pids: number[]
}

const connections = 64

const generators: ((load: Load) => Promise<LoadResult>)[] = []

function generator(at: number): (load: Load) => Promise<LoadResult> {
  return (generators[at] ??= startGenerator(join(import.meta.dirname, 'load.js')))
}

/** The servers share the requests and the connections. */
export async function measure(engine: RedisEngine, servers: Costly[], sent: string[], count: number): Promise<Costs> {
  const share = servers.length
  await engine.ask('CONFIG', 'RESETSTAT')
  const before = counters(engine, servers)
  const results = await Promise.all(
    servers.map(async ({ port }, at) => {
      const requests = sent.filter((_request, index) => index % share === at)
      const load = { requests, connections: connections / share, seconds: 300, count: count / share }
      return await generator(at)({ ...load, port })
    }),
  )
  const [main, all, ofEngine, bytes] = counters(engine, servers).map((after, at) => (after - before[at]!) / count)
  const calls = (await engine.info('commandstats')).get('cmdstat_evalsha')
  return {
    main: main!,
    all: all!,
    engine: ofEngine!,
    scripts: Number(/calls=(\d+)/.exec(calls ?? '')?.[1] ?? 0) / count,
    bytes: bytes!,
    perSecond: count / Math.max(...results.map(({ seconds }) => seconds)),
    p50: median(results.map(({ p50 }) => p50)),
    p99: Math.max(...results.map(({ p99 }) => p99)),
  }
}

/** µs of the main threads and of all threads of the servers, and of all of the engine's; bytes. */
function counters(engine: RedisEngine, servers: Costly[]): number[] {
  const pids = servers.flatMap((server) => server.pids)
  const sum = (of: (pid: number) => number | undefined): number =>
    pids.reduce((total, pid) => total + (of(pid) ?? NaN), 0)
  const main = sum(mainThreadSeconds) * 1e6
  return [main, sum(cpuMilliseconds) * 1000, cpuMilliseconds(engine.pid)! * 1000, engine.logBytes()]
}

export const heading =
  'µs of CPU a request: main thread of kss; all threads of kss; engine; share of the engine. ' +
  'Then scripts a request, bytes of the append-only file, requests/s, p50 and p99 in ms'

/** One line, of the medians of the rounds. */
export function report(name: string, costs: Costs[]): void {
  const of = (key: keyof Costs): number => median(costs.map((each) => each[key]))
  const share = (100 * of('engine')) / (of('engine') + of('all'))
  const [main, all, engine] = [of('main'), of('all'), of('engine')].map((value) => value.toFixed(1))
  const times = `${of('perSecond').toFixed(0)}/s, ${of('p50').toFixed(1)} ms, ${of('p99').toFixed(1)} ms`
  const parts = [
    main,
    all,
    engine,
    `${share.toFixed(0)} %`,
    of('scripts').toFixed(3),
    `${of('bytes').toFixed(0)} bytes`,
  ]
  console.log(`${name}: ${[...parts, times].join(', ')}`)
}
