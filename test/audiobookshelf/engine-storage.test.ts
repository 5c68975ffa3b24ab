import { once } from 'node:events'
import t from 'tap'
import type { BridgeEngine } from '../../src/audiobookshelf/bridge-engine.ts'
import { LaneBusy } from '../../src/audiobookshelf/bridge-storage.ts'
import { EngineBooks } from '../../src/audiobookshelf/engine-books.ts'
import { EngineData } from '../../src/audiobookshelf/engine-data.ts'
import { EngineLanes } from '../../src/audiobookshelf/engine-lanes.ts'
import { EngineLog } from '../../src/audiobookshelf/engine-log.ts'
import { RedisStore } from '../../src/store/redis-store/redis-store.ts'
import { noRedis, startRedis } from '../redis.ts'
import { until } from '../until.ts'
import { book, Bridged } from './bridged.ts'
import { onRedis } from './on-redis.ts'

const away = (): Promise<never> => Promise.reject(Object.assign(new Error('away'), { code: 'STORE_UNAVAILABLE' }))

/** Milliseconds: so short that no test waits for them. */
const times = { lease: 60, renewal: 10, margin: 20 }

/** An engine that has leases alone. */
function leasesOnly(extendLease: BridgeEngine['extendLease']): BridgeEngine {
  return { takeLease: () => Promise.resolve(true), extendLease } as Partial<BridgeEngine> as BridgeEngine
}

t.test('a lease that cannot be renewed ends the work', async (t) => {
  const cases: Record<string, BridgeEngine['extendLease']> = {
    'the engine is away': away,
    'another process has it': () => Promise.resolve(false),
  }
  for (const [what, extendLease] of Object.entries(cases)) {
    const lanes = new EngineLanes(leasesOnly(extendLease), times)
    const work = lanes.take('key', async (signal) => await once(signal!, 'abort'))
    await t.rejects(work, { message: 'the lease could not be renewed' }, what)
  }
})

t.test('a lease is renewed for as long as the work takes, and ended after it', async (t) => {
  const asked: number[] = []
  const engine = leasesOnly(async (_name, _token, ms) => {
    asked.push(ms)
    return true
  })
  const lanes = new EngineLanes(engine, { ...times, lease: 600_000 })
  t.equal(await lanes.take('key', () => until(() => asked.length > 2).then(() => 'done')), 'done')
  t.equal(asked.at(-1), 0)
})

t.test('what another process works on is waited for as long as the caller can', async (t) => {
  let looks = 0
  const engine = {
    ...leasesOnly(() => Promise.resolve(true)),
    takeLease: async () => {
      looks += 1
      return looks > 2
    },
  } as BridgeEngine
  const lanes = new EngineLanes(engine)
  const refused: unknown = await lanes.take('key', () => Promise.resolve()).catch((error: unknown) => error)
  t.ok(refused instanceof LaneBusy)
  t.equal(await lanes.take('key', () => Promise.resolve('mine'), 600_000), 'mine')
})

t.test('an event or a book that the engine does not take is told', async (t) => {
  const told: unknown[] = []
  const onFailure = (error: unknown): void => void told.push(error)
  const engine = { addEvent: away, getBook: away, putBook: away } as Partial<BridgeEngine> as BridgeEngine
  new EngineLog(engine, () => 0, onFailure).add(
    { username: 'ann', folder: 'ann', id: '1', generation: 1 },
    { what: 'held' },
  )
  await until(() => told.length === 1)
  const books = new EngineBooks(engine, onFailure)
  t.equal(await books.get('item'), undefined)
  await books.put('item', { of: '1' })
  t.equal(told.length, 3)
})

t.test('on a Redis', { skip: noRedis }, async (t) => {
  const redis = await startRedis(t)
  const store = await RedisStore.open({ url: new URL(`redis://${redis.host}/2`), timeoutMs: 60_000 })
  t.teardown(() => store.close())
  await store.createUser({ username: 'ann', key: 'k' })
  const { account } = (await store.getUser('ann'))!
  const told: unknown[] = []
  const make = (): EngineData => new EngineData(store.bridge, (error) => told.push(error))

  t.test('a value is that of the last process that wrote it, and a change is never lost', async (t) => {
    const [one, two] = [make(), make()]
    t.equal(await one.get(account, 'x'), undefined)
    await one.put(account, 'x', { n: 1 })
    t.same(await one.get(account, 'x'), { n: 1 })
    t.equal(await one.get(account, 'x'), await one.get(account, 'x'), 'and not read again as long as it is the same')
    await two.put(account, 'x', { n: 2 })
    t.same(await one.get(account, 'x'), { n: 2 })
    const add = (data: EngineData): Promise<void> =>
      data.change<{ n: number }>(account, 'x', (before) => ({ n: before!.n + 1 }))
    await Promise.all([one, two, one, two].map(add))
    t.same(await one.get(account, 'x'), { n: 6 })
    await one.change(account, 'x', () => undefined)
    await two.put(account, 'x', undefined)
    t.equal(await one.get(account, 'x'), undefined)
  })

  t.test('a value that cannot be read counts as none, and is told', async (t) => {
    const key = `kss:abs:{ann}:data:${account.id}`
    await redis.command(2, 'HSET', key, 'bad', '0123456789abcdef{')
    t.equal(await make().get(account, 'bad'), undefined)
    t.equal(told.length, 1)
    await make().change(account, 'bad', () => ({ a: 1 }))
    t.same(await make().get(account, 'bad'), { a: 1 })
  })

  t.test('a key of another type costs no reader the own position', async (t) => {
    const bridged = await Bridged.start(t, {}, {}, { openPlace: onRedis(redis.host, 3) })
    await bridged.push(0.4, '/body/DocFragment[3].0')
    await bridged.delivered()
    const key = `kss:abs:{ann}:data:${(await bridged.account()).id}`
    await redis.command(3, 'DEL', key)
    await redis.command(3, 'SET', key, 'x')
    t.match(await bridged.pull(), { device: 'kobo' })
    const { links } = bridged.bridge.parts
    links.find = () => Promise.resolve({ item: book.id, kind: 'map' })
    links.isGone = () => Promise.resolve(false)
    links.obstacleOf = () => Promise.resolve(undefined)
    bridged.bridge.parts.library.isOld = () => Promise.resolve(false)
    t.match(await bridged.pull(), { device: 'kobo' })
  })
})
