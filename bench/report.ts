import type { Figures, Row, Servers } from './measure.ts'

export interface Report {
  node: string
  cpu: string
  /** Milliseconds of one append and flush in the data folder: what no push can be quicker than. */
  flush: number
  /** Milliseconds, the median of several. */
  coldStart: Servers<number>
  /** MiB; undefined where there is no /proc. */
  memory: { idle: Servers<number | undefined>; loaded: Servers<number | undefined>; peak: Servers<number | undefined> }
  rows: Row[]
}

const names = { get: 'GET progress', auth: 'GET /users/auth', put: 'PUT progress' }

/** Below this share of a core, something other than the server set the rate. */
const saturated = 0.9

export function formatReport({ node, cpu, flush, coldStart, memory, rows }: Report): string {
  const { idle, loaded, peak } = memory
  return `
Node ${node}, ${cpu}
One append and flush in the data folder: ${flush.toFixed(2)} ms

${formatTable(rows)}

cpu: time of the server's main thread, in microseconds per request; its ratio is kss / bare.
*: the bare server was idle for more than a tenth of the time, so the client, the wire or the disk shares in the
   ratio of requests/s: go by the ratio of cpu.

Cold start, spawn to first 200:  kss ${fixed(coldStart.kss, 0)} ms, bare ${fixed(coldStart.bare, 0)} ms
Resident memory, idle:           kss ${fixed(idle.kss, 1)} MiB, bare ${fixed(idle.bare, 1)} MiB
Resident memory, loaded:         kss ${fixed(loaded.kss, 1)} MiB (peak ${fixed(peak.kss, 1)}), \
bare ${fixed(loaded.bare, 1)} MiB (peak ${fixed(peak.bare, 1)})
`
}

function formatTable(rows: Row[]): string {
  const heads = ['', 'conns', 'kss req/s', 'p50 ms', 'p99 ms', 'cpu', 'bare req/s', 'p50 ms', 'p99 ms', 'cpu']
  const lines = [[...heads, 'ratio', '(min–max)', '', 'cpu ratio'], ...rows.map(formatRow)]
  const widths = heads
    .concat('', '', '', '')
    .map((_head, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)))
  return lines
    .map((line) =>
      line.map((text, at) => (at === 0 ? text.padEnd(widths[at]!) : text.padStart(widths[at]!))).join('  '),
    )
    .join('\n')
}

function formatRow({ operation, connections, kss, bare, ratio, ratios: [least, most], cpuRatio }: Row): string[] {
  const mark = bare.busy !== undefined && bare.busy < saturated ? '*' : ''
  return [
    names[operation],
    String(connections),
    ...formatFigures(kss),
    ...formatFigures(bare),
    fixed(ratio, 2),
    `(${fixed(least, 2)}–${fixed(most, 2)})`,
    mark,
    fixed(cpuRatio, 2),
  ]
}

function formatFigures({ requestsPerSecond, p50, p99, cpuPerRequest }: Figures): string[] {
  return [fixed(requestsPerSecond, 0), fixed(p50, 3), fixed(p99, 3), fixed(cpuPerRequest, 1)]
}

function fixed(value: number | undefined, digits: number): string {
  return value === undefined ? 'n/a' : value.toFixed(digits)
}
