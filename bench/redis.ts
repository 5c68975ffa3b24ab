// What kss on a Redis costs: processor time of kss and of the engine, round trips, bytes. In the project's root, with
// redis-server in the PATH:
//   npm run bench:redis [-- --smoke] [-- --bytes]
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { ask } from './answer.ts'
import { heading, measure, report, type Costly, type Costs } from './costs.ts'
import { startKss, startRedis, type RedisEngine } from './engine.ts'
import { operations } from './options.ts'
import { cpuMilliseconds, killAll } from './processes.ts'
import { makeReaders, register, requestsOf, seed, type Reader } from './seed.ts'

const isSmoke = process.argv.includes('--smoke')
const [requests, rounds] = isSmoke ? [500, 1] : [5000, 5]
const [users, documents] = isSmoke ? [20, 10] : [1000, 100]

const folder = mkdtempSync(join(tmpdir(), 'kss-redis-'))
process.once('SIGTERM', () => process.exit(1)).once('SIGINT', () => process.exit(1))
process.once('exit', () => {
  killAll()
  rmSync(folder, { recursive: true, force: true })
})
console.log(`Node ${process.version}, ${availableParallelism()} cores, load ${loadavg()[0]!.toFixed(1)}`)
if (!process.argv.includes('--bytes')) await measureRequests()
await measureBytes()
console.log(`Load at the end: ${loadavg()[0]!.toFixed(1)}`)
process.exit()

/** A reader here asks again within the second in which kss remembers the account. */
async function measureRequests(): Promise<void> {
  const engine = await startRedis(join(folder, 'requests'))
  const one = await startKss(engine)
  const readers = makeReaders(10, 1000)
  await seed(one.port, readers)
  const two = await startKss(engine)
  const before = cpuMilliseconds(two.pid)!
  for (const server of [one, two]) await proveKeys(server, readers)
  const hash = (cpuMilliseconds(two.pid)! - before) / readers.length
  console.log(`A log-in whose key has to be hashed: ${hash.toFixed(0)} ms of CPU`)
  console.log(heading)
  for (const operation of operations) {
    const sent = operation === 'put' ? changing(readers) : requestsOf(operation, readers)
    // The compiler's time.
    for (const server of [one, two]) await measure(engine, [server], sent, requests)
    const single: Costs[] = []
    const pair: Costs[] = []
    for (let round = 0; round < rounds; round++) {
      single.push(await measure(engine, [one], sent, requests))
      pair.push(await measure(engine, [one, two], sent, requests))
    }
    report(`${operation}, one kss`, single)
    report(`${operation}, two kss`, pair)
  }
  await reportKeys(engine, readers[0]!)
  for (const server of [one, two]) await server.stop()
  await engine.stop()
}

/** Many readers, each of whom asks more seldom than kss remembers the account, where the machine is not too quick. */
async function measureBytes(): Promise<void> {
  const { engine, server, readers } = await fill('bytes', users, {})
  const [second] = variants(requestsOf('put', readers), 2).slice(1)
  const count = (users * documents) / 5
  const pushed = await usedMemory(engine)
  const again = await measure(engine, [server], second!, count)
  const row = ((await usedMemory(engine)) - pushed) / count
  report(`${users} readers in turn, later push`, [again])
  report(`${users} readers in turn, get`, [await measure(engine, [server], requestsOf('get', readers), count)])
  console.log(`Bytes of memory of each further row of history: ${row.toFixed(0)}`)
  await reportKeys(engine, readers[0]!)
  await server.stop()
  await engine.stop()
  const bare = await fill('without-history', users / 5, { KSS_HISTORY: 'false' })
  await bare.server.stop()
  await bare.engine.stop()
}

/** Registers so many readers, each of whom pushes all its books. */
async function fill(name: string, count: number, settings: NodeJS.ProcessEnv) {
  const engine = await startRedis(join(folder, name))
  const server = await startKss(engine, { KSS_HASH_KEYS: 'false', ...settings })
  const readers = makeReaders(count, count * documents)
  const empty = await usedMemory(engine)
  for (const reader of readers) await register(server.port, reader)
  const registered = await usedMemory(engine)
  await proveKeys(server, readers)
  const proved = await usedMemory(engine)
  const pushes = requestsOf('put', readers)
  report(`${count} readers in turn, first push of a book, ${name}`, [
    await measure(engine, [server], pushes, pushes.length),
  ])
  const record = ((await usedMemory(engine)) - proved) / pushes.length
  const user = (registered - empty) / count
  const kinds = `a user with a plain key ${user.toFixed(0)}, a record ${record.toFixed(0)}`
  console.log(`Bytes of memory, ${pushes.length} records: ${kinds}`)
  return { engine, server, readers }
}

async function reportKeys(engine: RedisEngine, { username, documents: [document] }: Reader): Promise<void> {
  const keys = [
    `user:${username}:key`,
    `kss:{${username}}:account`,
    `kss:{${username}}:documents`,
    `user:${username}:document:${document}`,
    `kss:{${username}}:history:${document}`,
  ]
  for (const key of keys) console.log(`MEMORY USAGE ${key}: ${String(await engine.ask('MEMORY', 'USAGE', key))}`)
}

async function usedMemory(engine: RedisEngine): Promise<number> {
  return Number((await engine.info('memory')).get('used_memory'))
}

/** Pushes of which none repeats the one before it. */
function changing(readers: Reader[]): string[] {
  return variants(requestsOf('put', readers), 10).flat()
}

function variants(pushes: string[], count: number): string[][] {
  return Array.from({ length: count }, (_variant, at) => pushes.map((push) => push.replace('0.4321', `0.${5000 + at}`)))
}

/** A key that was not verified yet costs a hash, also where it is stored as it is. */
async function proveKeys(server: Costly, readers: Reader[]): Promise<void> {
  for (const request of requestsOf('auth', readers).slice(0, readers.length)) await ask(server.port, request)
}
