import t, { type Test } from 'tap'
import { EngineOutbox } from '../../src/audiobookshelf/engine-outbox.ts'
import { RedisStore } from '../../src/store/redis-store/redis-store.ts'
import { slotOf } from '../../src/store/redis-store/topology.ts'
import { noRedis, startCluster, startRedis, type Redis } from '../redis.ts'
import { until } from '../until.ts'
import { book, Bridged, digest } from './bridged.ts'
import { onRedis } from './on-redis.ts'

const at = (fragment: number): string => `/body/DocFragment[${fragment}]/body/h1/text().0`

const map = '{"ann": "key-ann", "anna": "key-ann"}'

/** Two processes on one engine, with one Audiobookshelf. */
async function startTwo(t: Test, { host }: Redis, database: number): Promise<[Bridged, Bridged]> {
  const values = { AUDIOBOOKSHELF_USER_MAP: map }
  const one = await Bridged.start(t, values, {}, { openPlace: onRedis(host, database) })
  const two = await Bridged.start(t, values, {}, { openPlace: onRedis(host, database), stub: one.stub })
  return [one, two]
}

const keysOf = async ({ command }: Redis, database: number, pattern: string): Promise<string[]> =>
  ((await command(database, 'KEYS', pattern)) as string[]).toSorted()

t.test('several bridges on a Redis', { skip: noRedis }, async (t) => {
  const redis = await startRedis(t, '--databases', '50', '--appendonly', 'yes', '--appendfsync', 'always')

  t.test('of ten pushes through two processes the last one wins, one request at a time, none twice', async (t) => {
    const both = await startTwo(t, redis, 1)
    const [one, two] = both
    for (let n = 0; n < 10; n += 1) {
      await both[n % 2]!.push(0.3 + n / 100, `/body/DocFragment[3]/body/p[${n + 1}].0`)
    }
    await until(async () => {
      for (const bridged of both) {
        bridged.pass(3)
        await bridged.bridge.idle()
      }
      return (await one.waiting()).length === 0
    })
    await two.delivered()
    t.equal(one.stub.recordOf('ann', book.id)?.ebookProgress, 0.39)
    t.equal(one.stub.most, 1)
    t.equal(one.stub.records.length, 1)
    const [first, , ...sent] = one.stub.patches.map(({ ebookProgress }) => ebookProgress)
    t.equal(new Set([first, ...sent]).size, sent.length + 1)
    t.same(await keysOf(redis, 1, 'kss:abs:lease:*'), [], 'no lease is left')
    t.same(await keysOf(redis, 1, 'kss:abs:outbox'), [], 'nobody is in the index')
  })

  t.test('what a process that died had in its hands is sent by another one when its lease ends', async (t) => {
    const [one, two] = await startTwo(t, redis, 2)
    let release = (): void => undefined
    const released = new Promise<void>((resolve) => (release = resolve))
    one.stub.hold = (path) => (path.includes('/me/progress/') ? released : undefined)
    const asked = (): number => one.stub.seenOf('GET', /me\/progress/).length
    await one.push(0.4, at(3))
    await until(() => asked() === 1)
    // Nothing of it comes to the engine any more.
    await one.engineStore.close()
    await two.bridge.parts.outbox.refresh!()
    two.bridge.look()
    await two.bridge.idle()
    t.equal(asked(), 1, 'it keeps off')
    t.match(await two.waiting(), [{ document: digest }])
    const [lease = ''] = await keysOf(redis, 2, 'kss:abs:lease:*')
    const left = Number(await redis.command(2, 'PTTL', lease))
    t.ok(left > 0 && left <= 30_000, `${left}`)
    release()
    await one.bridge.idle()
    t.equal(one.stub.patches.length, 0, 'one that lost the engine sends nothing')
    await redis.command(2, 'PEXPIRE', lease, '1')
    await until(async () => (await keysOf(redis, 2, 'kss:abs:lease:*')).length === 0)
    two.pass(1)
    await two.delivered()
    t.equal(two.stub.recordOf('ann', book.id)?.ebookProgress, 0.4)
    t.equal(two.stub.most, 1)
  })

  t.test('what another process has sent costs no request', async (t) => {
    const [one, two] = await startTwo(t, redis, 10)
    await one.stub.down()
    await one.push(0.4, at(3))
    await one.bridge.idle()
    t.match(await two.waiting(), [{ document: digest }])
    await one.stub.up()
    one.pass(75)
    await one.delivered()
    const { length } = one.stub.seen
    t.equal(two.bridge.parts.outbox.entries.length, 1)
    two.pass(75)
    await two.delivered()
    t.equal(two.stub.seen.length, length)
  })

  t.test('a pull does not wait for what another process has in its hands', async (t) => {
    const [one, two] = await startTwo(t, redis, 3)
    await one.push(0.4, at(3))
    await one.delivered()
    two.options = { budgetMs: 50 }
    await two.reopen()
    let release = (): void => undefined
    const released = new Promise<void>((resolve) => (release = resolve))
    one.stub.hold = () => released
    const pulled = one.pull()
    await until(() => one.stub.seenOf('GET', /me\/progress/).length === 3)
    t.match(await two.pull(), { device: 'kobo' })
    t.match(await two.pull(), { device: 'kobo' })
    release()
    t.match(await pulled, { device: 'kobo' })
    t.equal(one.stub.most, 1)
  })

  t.test('while the engine is away the sender waits, and goes on when it is back', async (t) => {
    const [one] = await startTwo(t, redis, 4)
    await one.stub.down()
    await one.push(0.4, at(3))
    await one.bridge.idle()
    await redis.stop()
    await t.rejects(one.push(0.5, at(4)), { code: 'STORE_UNAVAILABLE' })
    await one.stub.up()
    one.pass(75)
    await one.bridge.idle()
    t.equal(one.stub.patches.length, 0)
    await redis.start()
    await until(async () => {
      one.pass(75)
      await one.bridge.idle()
      return one.stub.recordOf('ann', book.id) !== undefined
    })
    await one.delivered()
    t.equal(one.stub.recordOf('ann', book.id)?.ebookProgress, 0.4)
  })

  t.test('a bridge starts without the engine, and sends what waits when it is there', async (t) => {
    const [one] = await startTwo(t, redis, 5)
    await one.stub.down()
    await one.push(0.4, at(3))
    await one.bridge.idle()
    await one.store.close()
    await redis.stop()
    await one.open()
    await one.stub.up()
    await redis.start()
    await until(async () => {
      await one.bridge.lookAround().catch(() => undefined)
      one.pass(1)
      await one.bridge.idle()
      return one.stub.recordOf('ann', book.id) !== undefined
    })
    t.equal(one.stub.recordOf('ann', book.id)?.ebookProgress, 0.4)
  })

  t.test('a push whose entry came to no outbox is found', async (t) => {
    const [one] = await startTwo(t, redis, 6)
    const { outbox } = one.bridge.parts
    const put = outbox.put.bind(outbox)
    outbox.put = () => Promise.reject(new Error('away'))
    await one.push(0.4, at(3))
    await one.bridge.idle()
    outbox.put = put
    await one.bridge.lookAround()
    await one.delivered()
    t.equal(one.stub.recordOf('ann', book.id)?.ebookProgress, 0.4)
  })

  t.test('an account that is removed takes all along, and the next one of the name gets nothing', async (t) => {
    const [one, two] = await startTwo(t, redis, 7)
    await one.push(0.4, at(3))
    await one.delivered()
    const before = await one.account()
    await one.bridge.linker.link(before, 'other', false)
    await one.stub.down()
    await one.push(0.5, at(4))
    await one.bridge.idle()
    t.match(await keysOf(redis, 7, 'kss:abs:{ann}:*'), [/:data:/, /:events:/, /:outbox:/])
    await two.bridge.parts.outbox.refresh!()
    await one.store.deleteUser(before)
    t.same(await keysOf(redis, 7, 'kss:abs:{ann}:*'), [])
    t.same(await keysOf(redis, 7, 'kss:abs:outbox'), [])
    await one.addUser('ann')
    const { data, outbox } = one.bridge.parts
    const after = await one.account()
    t.same(await one.bridge.listEvents(after), [])
    t.same(await one.bridge.parts.links.listByHand(after), [])
    t.notOk(await outbox.isWaiting(after, digest))
    await data.put(before, 'late', { a: 1 })
    one.bridge.parts.tell(before, { what: 'held' })
    t.equal(await data.get(before, 'late'), undefined)
    await one.stub.up()
    two.pass(75)
    await two.delivered()
    t.equal(one.stub.recordOf('ann', book.id)?.ebookProgress, 0.4, 'nothing more is sent')
    t.same(await keysOf(redis, 7, 'kss:abs:{ann}:*'), [])
  })

  t.test('an account that a command renames or removes is found by the index', async (t) => {
    const [one, two] = await startTwo(t, redis, 8)
    await one.stub.down()
    await one.push(0.4, at(3))
    await one.bridge.idle()
    await one.engineStore.admin.renameUser(await one.account(), 'anna')
    t.same(await redis.command(8, 'ZRANGE', 'kss:abs:outbox', '0', '-1'), ['anna'])
    t.same(await keysOf(redis, 8, 'kss:abs:{ann}:*'), [])
    t.match(await two.waiting(), [{ username: 'anna' }])
    await one.stub.up()
    two.pass(75)
    await two.delivered()
    t.equal(one.stub.recordOf('ann', book.id)?.ebookProgress, 0.4)
    await one.stub.down()
    await two.push(0.5, at(3), {}, 'anna')
    await two.bridge.idle()
    await one.engineStore.deleteUser(await two.account('anna'))
    await until(async () => {
      await two.bridge.parts.outbox.refresh!()
      return (await keysOf(redis, 8, 'kss:abs:outbox')).length === 0
    })
    t.same(await two.waiting(), [])
  })

  t.test('an index that is wrong is set right, and an entry that is none is told', async (t) => {
    const store = await RedisStore.open({ url: new URL(`redis://${redis.host}/9`), timeoutMs: 60_000 })
    t.teardown(() => store.close())
    await store.createUser({ username: 'ann', key: 'k' })
    const { account } = (await store.getUser('ann'))!
    const told: unknown[] = []
    let now = 1000
    const options = { engine: store.bridge, store, now: () => now, onDamage: (error: unknown) => told.push(error) }
    const outbox = new EngineOutbox(options)
    const other = new EngineOutbox(options)
    const record = { document: 'abc', progress: '3', percentage: 0.2, device: 'kobo', timestamp: 1000 }
    await redis.command(9, 'ZADD', 'kss:abs:outbox', '0', 'ann', '0', 'nobody')
    t.same(await outbox.list(), [])
    t.same(await keysOf(redis, 9, 'kss:abs:outbox'), [])
    await outbox.put(account, record)
    await other.refresh()
    const [mine] = outbox.entries
    const [its] = other.entries
    t.same(its, mine)
    t.equal(await other.claim(its!), its, 'of a document that is gone it is what was pushed')
    await store.putProgress(account, { ...record, progress: '9' })
    t.match(await other.claim(its!), { progress: '9', timestamp: 1000 }, 'otherwise what is stored')
    await outbox.delay(mine!, 5000, 1)
    t.equal(await other.claim(its!), undefined, 'not before it is due')
    t.equal(await other.claim({ ...its!, username: 'nobody', account: 'gone' }), undefined)
    t.match(its, { due: 5000, tries: 1 })
    now = 6000
    await other.put(account, { ...record, timestamp: 1001 })
    await outbox.delete(mine!)
    t.match(await outbox.list(), [{ timestamp: 1001 }], 'what came meanwhile stays')
    await other.delay(its!, 9000)
    t.match(await other.list(), [{ timestamp: 1001, due: 0 }], 'and nothing done to the old one touches it')
    await redis.command(9, 'HSET', `kss:abs:{ann}:outbox:${account.id}`, 'bad', '0123456789abcdef{')
    t.match(await other.list(), [{ timestamp: 1001 }])
    t.notOk(await other.isWaiting(account, 'bad'))
    t.ok(told.length > 0)
    await other.delete(other.entries[0]!)
    t.same(await keysOf(redis, 9, 'kss:abs:outbox'), [], 'what cannot be read is looked at no more')
    await outbox.flush()
  })
})

t.test('in a cluster all of one user is on one node', { skip: noRedis }, async (t) => {
  const { hosts, masters } = await startCluster(t)
  const openPlace = onRedis(hosts[0]!, 0, { cluster: hosts })
  const bridged = await Bridged.start(t, { AUDIOBOOKSHELF_USER_MAP: map }, {}, { openPlace })
  await bridged.push(0.1, at(2))
  await bridged.delivered()
  bridged.pass(100)
  bridged.listen(1800)
  t.match(await bridged.pull(), { device_id: `abs:${book.id}` })
  await bridged.stub.down()
  await bridged.push(0.5, at(3))
  await bridged.bridge.idle()
  const keys = (await Promise.all(masters.map((master) => keysOf(master, 0, 'kss:abs:{*')))).flat()
  t.equal(keys.length, 3)
  t.same(new Set(keys.map(slotOf)), new Set([slotOf('user:{616e6e}:key')]))
  const account = await bridged.account()
  const events = await bridged.bridge.listEvents(account)
  t.ok(events.length > 0)
  t.ok(await bridged.admin.renameUser(account, 'anna'))
  const moved = (await Promise.all(masters.map((master) => keysOf(master, 0, 'kss:abs:{*')))).flat()
  t.same(new Set(moved.map(slotOf)), new Set([slotOf('user:{616e6e61}:key')]), 'a rename takes all along')
  t.equal(moved.length, 3)
  const anna = await bridged.account('anna')
  t.same(await bridged.bridge.listEvents(anna), events)
  t.match(await bridged.waiting(), [{ username: 'anna', document: digest }])
  const slot = slotOf('user:{616e6e61}:key')
  const { command } = masters.find((_one, n) => slot < [5461, 10_923, 16_384][n]!)!
  await command(0, 'HSET', 'kss:{616e6e61}:account', 'movesTo', 'eve')
  await t.rejects(bridged.bridge.parts.data.get(anna, 'x'), { code: 'STORE_UNAVAILABLE', message: /is being renamed/ })
  await command(0, 'HDEL', 'kss:{616e6e61}:account', 'movesTo')
  await bridged.store.deleteUser(anna)
  t.same((await Promise.all(masters.map((master) => keysOf(master, 0, 'kss:abs:{*')))).flat(), [])
})
