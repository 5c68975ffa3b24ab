import { compareAnswers } from './answer.ts'
import type { Load, LoadResult } from './load.ts'
import type { Operation, Options } from './options.ts'
import { mainThreadSeconds, type Server } from './processes.ts'

export interface Servers<T = Server> {
  kss: T
  bare: T
}

/** Medians of the rounds. */
export interface Figures {
  requestsPerSecond: number
  /** Milliseconds. */
  p50: number
  p99: number
  /** CPU microseconds of the server's main thread; undefined where there is no /proc. */
  cpuPerRequest?: number | undefined
  /** Of one core, the share that this thread used. */
  busy?: number | undefined
}

export interface Row extends Servers<Figures> {
  operation: Operation
  connections: number
  /** kss to bare in requests/s: the median of the rounds, the least and the greatest. */
  ratio: number
  ratios: [number, number]
  /** kss to bare in CPU time per request: the median of the rounds. */
  cpuRatio?: number | undefined
}

type Generate = (load: Load) => Promise<LoadResult>

/** One line of the table: kss and bare take turns, so that what else the machine does hits both. */
export async function measureRow(
  operation: Operation,
  connections: number,
  requests: string[],
  { servers: { kss, bare }, generate, options }: { servers: Servers; generate: Generate; options: Options },
): Promise<Row> {
  await compareAnswers([kss.port, bare.port], requests[0] ?? '')
  const load = { requests, connections }
  for (const { port } of [kss, bare]) await generate({ ...load, port, seconds: options.warmUpSeconds })
  const rounds: Servers<Figures>[] = []
  for (let round = 0; round < options.rounds; round++) {
    const run = (server: Server) => measureRound(server, { ...load, ...lengthOf(options), port: server.port }, generate)
    rounds.push({ kss: await run(kss), bare: await run(bare) })
  }
  const ratios = rounds.map((round) => round.kss.requestsPerSecond / round.bare.requestsPerSecond)
  return {
    operation,
    connections,
    kss: medians(rounds.map((round) => round.kss)),
    bare: medians(rounds.map((round) => round.bare)),
    ratio: median(ratios),
    ratios: [Math.min(...ratios), Math.max(...ratios)],
    cpuRatio: medianOf(rounds.map((round) => divide(round.kss.cpuPerRequest, round.bare.cpuPerRequest))),
  }
}

export function median(values: number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  const middle = sorted.length / 2
  return ((sorted[Math.floor(middle)] ?? NaN) + (sorted[Math.ceil(middle) - 1] ?? NaN)) / 2
}

/** Seconds after which a round of a fixed count ends too. */
const longest = 60

function lengthOf({ count, seconds }: Options): { seconds: number; count?: number } {
  return count === undefined ? { seconds } : { seconds: longest, count }
}

async function measureRound({ pid }: Server, load: Load, generate: Generate): Promise<Figures> {
  const before = mainThreadSeconds(pid)
  const { requests, seconds, p50, p99 } = await generate(load)
  const after = mainThreadSeconds(pid)
  const cpu = before === undefined || after === undefined ? undefined : after - before
  return {
    requestsPerSecond: requests / seconds,
    p50,
    p99,
    cpuPerRequest: cpu && (cpu / requests) * 1e6,
    busy: cpu && cpu / seconds,
  }
}

function medians(rounds: Figures[]): Figures {
  return {
    requestsPerSecond: median(rounds.map((round) => round.requestsPerSecond)),
    p50: median(rounds.map((round) => round.p50)),
    p99: median(rounds.map((round) => round.p99)),
    cpuPerRequest: medianOf(rounds.map((round) => round.cpuPerRequest)),
    busy: medianOf(rounds.map((round) => round.busy)),
  }
}

/** Undefined when no round has a figure. */
function medianOf(values: (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined)
  return known.length > 0 ? median(known) : undefined
}

function divide(one: number | undefined, other: number | undefined): number | undefined {
  return one && other && one / other
}
