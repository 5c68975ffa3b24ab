import t from 'tap'
import { noRedis, startRedis, startReplica } from '../../redis.ts'
import { until } from '../../until.ts'
import { accountOf } from '../by-name.ts'
import { pushed } from '../contract.ts'
import { openOn } from './open.ts'

t.test('with replicas', { skip: noRedis }, async (t) => {
  t.test('a push that a replica does not confirm is refused, reads are served, and it recovers', async (t) => {
    const redis = await startRedis(t)
    const replica = await startReplica(t, redis)
    const store = await openOn(t, redis, 1, { replicas: 1, timeoutMs: 5000 })
    const told: (string | undefined)[] = []
    store.watch((failure) => told.push(failure?.message))
    await store.createUser({ username: 'ann', key: 'K' })
    const ann = await accountOf(store, 'ann')
    await store.putProgress(ann, pushed)

    process.kill(replica.pid(), 'SIGSTOP')
    const message = `Redis at ${redis.host}, database 1, has 0 replicas in step instead of 1`
    const refused = { code: 'STORE_UNAVAILABLE', message }
    await t.rejects(store.putProgress(ann, { ...pushed, progress: '57' }), refused)
    await t.rejects(store.setKey(ann, 'L'), refused)
    t.ok(await store.getProgress(ann, 'abc').catch(({ code }: { code: string }) => code === 'STALE_ACCOUNT'))
    t.equal(store.stats.failure(), undefined, 'it answers')
    t.equal(told.at(-1), message)

    process.kill(replica.pid(), 'SIGCONT')
    await until(() => told.at(-1) === undefined)
    const again = await accountOf(store, 'ann')
    await store.putProgress(again, { ...pushed, progress: '58' })
    await redis.stop()
    t.equal(await replica.command(1, 'HGET', 'user:ann:document:abc', 'progress'), '58')
  })

  t.test('many pushes at once wait together', async (t) => {
    const redis = await startRedis(t)
    await startReplica(t, redis)
    const store = await openOn(t, redis, 1, { replicas: 1 })
    await store.createUser({ username: 'ann', key: 'K' })
    const ann = await accountOf(store, 'ann')
    await redis.command(1, 'SCRIPT', 'FLUSH')
    await redis.command(1, 'CONFIG', 'RESETSTAT')
    const pushes = Array.from({ length: 500 }, (_, at) => store.putProgress(ann, { ...pushed, progress: `${at}` }))
    await Promise.all(pushes)
    const [, calls] = /cmdstat_wait:calls=(\d+)/.exec(String(await redis.command(1, 'INFO', 'commandstats')))!
    t.ok(Number(calls) < 250, `${calls} times WAIT`)
    t.equal((await store.listHistory(ann, 'abc')).length, 500)
  })

  t.test('one that is away is that, and not one without replicas', async (t) => {
    const redis = await startRedis(t)
    await startReplica(t, redis)
    const store = await openOn(t, redis, 1, { replicas: 1 })
    await redis.stop()
    await t.rejects(store.createUser({ username: 'ann', key: 'K' }), { message: /cannot be reached$/ })
  })
})
