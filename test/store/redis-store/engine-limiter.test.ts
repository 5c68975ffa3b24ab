import t from 'tap'
import { Limits } from '../../../src/accounts/limits.ts'
import { noRedis, startRedis } from '../../redis.ts'
import { until } from '../../until.ts'
import { openOn } from './open.ts'

const options = { loginFailuresPerMinute: 1, registrationsPerHour: 2 }

t.test('limits of two processes on a Redis', { skip: noRedis }, async (t) => {
  const redis = await startRedis(t)
  const stores = [await openOn(t, redis, 1), await openOn(t, redis, 1)]
  const [one, other] = stores.map(
    (store) => new Limits({ ...options, createLimiter: (limiter) => store.createLimiter(limiter) }),
  ) as [Limits, Limits]

  t.test('count failed log-ins together', async (t) => {
    const login = await one.countLogin('192.0.2.1', 'ann')
    t.equal(login.isSuspect, false)
    login.end(true)
    await until(async () => (await redis.command(1, 'GET', 'kss:limit:logins:192.0.2.1')) === '1')
    t.equal((await other.countLogin('192.0.2.1', 'ann')).isSuspect, true, 'one a second may be checked all the same')
    t.equal((await other.countLogin('192.0.2.2', 'ann')).isSuspect, false)
  })

  t.test('count registrations together, and take one back', async (t) => {
    const takeBack = await one.countRegistration('192.0.2.1')
    await other.countRegistration('192.0.2.1')
    await t.rejects(one.countRegistration('192.0.2.1'), /Too many/)
    await t.rejects(other.countRegistration('192.0.2.1'), /Too many/)
    await takeBack()
    await other.countRegistration('192.0.2.1')
    await t.rejects(one.countRegistration('192.0.2.1'), /Too many/)
  })

  t.test('leave the engine by themselves', async (t) => {
    const keys = (await redis.command(1, 'KEYS', 'kss:limit:*')) as string[]
    t.ok(keys.includes('kss:limit:registrations:192.0.2.1'))
    for (const key of keys) t.ok(Number(await redis.command(1, 'PTTL', key)) > 0, key)
    t.ok(Number(await redis.command(1, 'TTL', 'kss:limit:registrations:192.0.2.1')) <= 3600)
  })

  t.test('count in each process while the engine is away', async (t) => {
    await redis.stop()
    await one.countRegistration('192.0.2.3')
    await one.countRegistration('192.0.2.3')
    await t.rejects(one.countRegistration('192.0.2.3'), /Too many/)
    await other.countRegistration('192.0.2.3')
  })
})
