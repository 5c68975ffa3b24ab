// Whether something costs those who sync: starts with it and without, in turns.
import { join } from 'node:path'
import { measureRow, median, type Row } from './measure.ts'
import { operations, readOptions } from './options.ts'
import { startGenerator, type Server } from './processes.ts'
import { makeReaders, requestsOf, seed } from './seed.ts'

/**
 * Prints the processor time of the sync routes with something and without it. Two fresh processes each time: what the
 * compiler makes of them differs by ten per cent. `start` keeps a folder for each name.
 */
export async function comparePairs(
  what: string,
  start: (name: string, isOn: boolean) => Promise<Server>,
  isSmoke: boolean,
  starts = isSmoke ? 1 : 10,
): Promise<void> {
  const options = readOptions(isSmoke ? ['--smoke'] : ['--requests', '5000', '--rounds', '3'])!
  const readers = makeReaders(options.users, options.documents)
  const generate = startGenerator(join(import.meta.dirname, 'load.js'))
  const rows: Row[] = []
  for (let at = 0; at < starts; at++) {
    const servers = { on: await start('on', true), off: await start('off', false) }
    if (at === 0) for (const { port } of [servers.on, servers.off]) await seed(port, readers)
    // Each reader proves its key once.
    const proofs = { requests: requestsOf('auth', readers), connections: 1, seconds: 60, count: options.users }
    for (const { port } of [servers.on, servers.off]) await generate({ ...proofs, port })
    // Who is measured first in a round is not always the same one.
    const [kss, bare] = at % 2 === 0 ? [servers.on, servers.off] : [servers.off, servers.on]
    for (const operation of operations) {
      const row = await measureRow(operation, 64, requestsOf(operation, readers), {
        servers: { kss, bare },
        generate,
        options,
      })
      rows.push(kss === servers.on ? row : turned(row))
    }
    for (const server of [servers.on, servers.off]) await server.stop()
    process.stderr.write(`${at + 1} of ${starts} starts\n`)
  }
  console.log(`Main thread, µs a request, with ${what} and without, of ${starts} starts`)
  printPairs(rows)
}

function printPairs(rows: Row[]): void {
  for (const operation of operations) {
    const own = rows.filter((row) => row.operation === operation)
    const on = own.map(({ kss: { cpuPerRequest = NaN } }) => cpuPerRequest)
    const off = own.map(({ bare: { cpuPerRequest = NaN } }) => cpuPerRequest)
    const parts = [
      compare('the median', median(on), median(off)),
      // Other work on the machine makes a request longer, and never shorter.
      compare('the quickest quarter', quantile(on, 0.25), quantile(off, 0.25)),
      `the median of the ratios ${median(own.map(({ cpuRatio = NaN }) => cpuRatio)).toFixed(3)}`,
    ]
    console.log(`${operation}: ${parts.join('; ')}`)
  }
}

function compare(name: string, on: number, off: number): string {
  return `${name} ${on.toFixed(1)} and ${off.toFixed(1)}, ratio ${(on / off).toFixed(3)}`
}

function turned({ kss, bare, cpuRatio = NaN, ...row }: Row): Row {
  return { ...row, kss: bare, bare: kss, cpuRatio: 1 / cpuRatio }
}

export function quantile(values: number[], share: number): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length * share)] ?? NaN
}
