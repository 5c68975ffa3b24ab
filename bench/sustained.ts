// Many pushes to many documents, as fast as they are answered, and when the files have them. In the project's root,
// after npm run build:
//   npx tsc -p bench && node dist/bench/sustained.js
// It ends with an error at the first push that is refused.
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Load, LoadResult } from './load.ts'
import { killAll, mainThreadSeconds, memory, startGenerator, startServer, type Server } from './processes.ts'
import { makeReaders, register, requestsOf } from './seed.ts'

const connections = 64
const users = 100

const folder = mkdtempSync(join(tmpdir(), 'kss-sustained-'))
process.once('SIGTERM', () => process.exit(1)).once('SIGINT', () => process.exit(1))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
try {
  console.log(`Node ${process.version}, ${connections} connections, ${users} readers`)
  await measure('8,000 pushes to 1,000 documents', 1000, { count: 8000, seconds: 60 })
  await measure('30 s, 100,000 documents', 100_000, { seconds: 30 })
  await measure('2 minutes, 100,000 documents', 100_000, { seconds: 120 })
} finally {
  killAll()
}

async function measure(name: string, documents: number, length: Pick<Load, 'seconds' | 'count'>): Promise<void> {
  const dir = mkdtempSync(join(folder, 'state-'))
  const start = (port: number): string[] => ['bin/kss.cjs', 'serve', '--port', `${port}`, '--dir', dir]
  const server = await startServer(start, { KSS_HASH_KEYS: 'false', KSS_REGISTRATIONS_PER_HOUR: '0' })
  const readers = makeReaders(users, documents)
  for (const reader of readers) await register(server.port, reader)
  const generate = startGenerator(join(import.meta.dirname, 'load.js'))
  // Each reader proves its key once.
  await generate({
    port: server.port,
    requests: requestsOf('auth', readers),
    connections: 1,
    seconds: 60,
    count: users,
  })
  const before = mainThreadSeconds(server.pid) ?? 0
  const load = { port: server.port, requests: requestsOf('put', readers), connections, ...length }
  const result = await generate(load)
  const ended = Date.now()
  const cpu = (mainThreadSeconds(server.pid) ?? 0) - before
  await report(name, { server, dir, result, ended, cpu, documents })
  await server.stop()
}

interface Round {
  server: Server
  dir: string
  result: LoadResult
  /** Milliseconds since 1970. */
  ended: number
  /** Seconds of the main thread. */
  cpu: number
  documents: number
}

async function report(name: string, { server, dir, result, ended, cpu, documents }: Round): Promise<void> {
  const { requests, seconds, p50, p99 } = result
  const last = await newestFile(dir, Math.min(documents, requests))
  const figures = [
    `${Math.round(requests / seconds)} pushes/s`,
    `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`,
    `main thread ${Math.round((cpu / requests) * 1e6)} µs a push`,
    `last file ${((last - ended) / 1000).toFixed(2)} s after the last answer`,
    `memory at its peak ${Math.round(memory(server.pid)?.peak ?? NaN)} MiB`,
    `log ${(bytesOf(join(dir, '.wal')) / 2 ** 20).toFixed(0)} MiB`,
  ]
  console.log(`${name}: ${figures.join(', ')}`)
}

/** Waits until there are as many records and none changed for 3 seconds; resolves to when the newest was written. */
async function newestFile(dir: string, documents: number): Promise<number> {
  for (;;) {
    const times = readdirSync(dir)
      .filter((name) => !name.startsWith('.'))
      .flatMap((user) =>
        readdirSync(join(dir, user))
          .filter((name) => name.endsWith('.json') && name !== 'auth.json')
          .map((name) => statSync(join(dir, user, name)).mtimeMs),
      )
    const newest = times.reduce((one, other) => Math.max(one, other), 0)
    if (times.length >= documents && Date.now() - newest > 3000) return newest
    await sleep(1000)
  }
}

function bytesOf(path: string): number {
  return readdirSync(path).reduce((sum, name) => sum + statSync(join(path, name)).size, 0)
}
