import * as redis from '@redis/client'
import t, { type Test } from 'tap'
import { Masters } from '../../../src/store/redis-store/masters.ts'
import { RedisStore, type RedisStoreOptions } from '../../../src/store/redis-store/redis-store.ts'
import { freePort } from '../../free-port.ts'
import { noRedis, startRedis, startReplica, startSentinel, type Redis } from '../../redis.ts'
import { until } from '../../until.ts'
import { accountOf } from '../by-name.ts'
import { pushed } from '../contract.ts'

/** As `redis+sentinel://…/mymaster/1` opens it. */
async function open(
  t: Test,
  sentinels: Pick<Redis, 'host'>[],
  {
    name = 'mymaster',
    password = '',
    ...options
  }: Partial<RedisStoreOptions> & { name?: string; password?: string } = {},
): Promise<RedisStore> {
  const addresses = sentinels.map(({ host }) => host)
  const url = new URL(`redis://${addresses[0]}/1`)
  const store = await RedisStore.open({ url, sentinels: { addresses, name, password }, timeoutMs: 60_000, ...options })
  t.teardown(() => store.close())
  return store
}

t.test('none that can be reached is said', async (t) => {
  const host = `127.0.0.1:${await freePort()}`
  const store = await open(t, [{ host }])
  await t.rejects(async () => await store.getUser('ann'), {
    code: 'STORE_UNAVAILABLE',
    message: `The Sentinel at ${host} cannot be reached`,
  })
  t.match(store.stats.failure(), { code: 'STORE_UNAVAILABLE' })
})

t.test('with Sentinels', { skip: noRedis }, async (t) => {
  t.test('the master is the one that they name, in the database that is given', async (t) => {
    const master = await startRedis(t)
    const sentinel = await startSentinel(t, master, 2)
    const away = { host: `127.0.0.1:${await freePort()}` }
    const store = await open(t, [away, sentinel])
    t.equal(await store.createUser({ username: 'ann', key: 'K' }), true)
    t.equal(await master.command(1, 'GET', 'user:ann:key'), 'K')
    t.equal(store.stats.failure(), undefined)

    const unknown = await open(t, [sentinel], { name: 'other' })
    const message = `The Sentinel at ${sentinel.host} knows no master of the name other`
    await t.rejects(async () => await unknown.getUser('ann'), { code: 'STORE_UNAVAILABLE', message })
  })

  t.test('what is known stays while none of them answers', async (t) => {
    const master = await startRedis(t)
    const sentinel = await startSentinel(t, master, 2)
    const sentinels = { addresses: [sentinel.host], name: 'mymaster', password: '' }
    let looks = 0
    const options = {
      url: new URL(`redis://${sentinel.host}/1`),
      cluster: [],
      timeoutMs: 60_000,
      reconnects: true,
      replicas: 0,
    }
    const masters = new Masters(redis, { ...options, sentinels, tell: () => (looks += 1) })
    t.teardown(() => masters.close())
    await masters.connect()
    await sentinel.stop()
    looks = 0
    await until(() => looks > 1)
    t.match(masters.lost.message, 'cannot be reached')
    t.equal(await masters.of('a').ask(['SET', 'a', 'b']), 'OK')
    masters.close()
    t.throws(() => masters.of('a'), { message: 'the store is closed' })
  })

  t.test('one that is named and is a replica is not the master', async (t) => {
    const master = await startRedis(t)
    const sentinel = await startSentinel(t, master, 2)
    await master.command(0, 'REPLICAOF', '127.0.0.1', '1')
    const store = await open(t, [sentinel])
    const message = `Redis at ${master.host}, database 1, is not the master yet`
    await t.rejects(async () => await store.getUser('ann'), { code: 'STORE_UNAVAILABLE', message })
    await master.command(0, 'REPLICAOF', 'NO', 'ONE')
    await until(() => store.stats.failure() === undefined)
    t.equal(await store.createUser({ username: 'ann', key: 'K' }), true)
  })

  t.test('they have a password of their own, or none', async (t) => {
    const master = await startRedis(t, '--requirepass', 'of the server')
    const login = 'sentinel auth-pass mymaster "of the server"'
    const [closed, opened] = [
      await startSentinel(t, master, 2, login, 'requirepass secret'),
      await startSentinel(t, master, 2, login),
    ]
    const url = new URL(`redis://:${encodeURIComponent('of the server')}@${closed.host}/1`)
    const [right, none] = [await open(t, [closed], { url, password: 'secret' }), await open(t, [opened], { url })]
    t.equal(await right.createUser({ username: 'ann', key: 'K' }), true)
    t.match(await none.getUser('ann'), { account: { username: 'ann' } })
    const wrong = await open(t, [closed], { url, reconnects: false })
    const message = `The Sentinel at ${closed.host} refuses the name or the password`
    await t.rejects(async () => await wrong.getUser('ann'), { code: 'STORE_UNAVAILABLE', message })
  })

  t.test('when the master is killed, no acknowledged push is lost, and the next master is found', async (t) => {
    const master = await startRedis(t)
    const replicas = [await startReplica(t, master), await startReplica(t, master)]
    const sentinels = [
      await startSentinel(t, master, 2),
      await startSentinel(t, master, 2),
      await startSentinel(t, master, 2),
    ]
    for (const { command } of sentinels) {
      await until(async () => /slaves=2,sentinels=3/.test(String(await command(0, 'INFO', 'sentinel'))))
    }
    const store = await open(t, sentinels, { replicas: 2, historyLimit: 0, timeoutMs: 1400 })
    await until(async () => await store.createUser({ username: 'ann', key: 'K' }).catch(() => false))
    const ann = await accountOf(store, 'ann')
    const acknowledged: string[] = []
    const errors = new Set<unknown>()
    const push = async (at: number): Promise<boolean> =>
      await store.putProgress(ann, { ...pushed, progress: `${at}` }).then(
        () => acknowledged.push(`${at}`) > 0,
        ({ code }: { code: string }) => !errors.add(code),
      )
    let at = 0
    while (at < 50) await push(at++)
    await master.stop()
    t.equal(await push(at++), false)
    // A Sentinel closes the connections of a server whose role it changes.
    const roleOf = async ({ command }: Redis): Promise<string | undefined> =>
      /role:(\w+)/.exec(String(await command(0, 'INFO', 'replication').catch(() => '')))?.[1]
    await until(async () => (await Promise.all(replicas.map(roleOf))).includes('master'))
    // It comes back as a replica of the next one: both that are left confirm what is pushed.
    await master.start()
    await until(async () => await push(at++))
    await until(async () => (await roleOf(master)) === 'slave')
    t.same([...errors], ['STORE_UNAVAILABLE'])
    const stored = new Set((await store.listHistory(ann, 'abc')).map(({ progress }) => progress))
    t.same(
      acknowledged.filter((each) => !stored.has(each)),
      [],
    )
    t.ok(acknowledged.length > 0)
  })
})
