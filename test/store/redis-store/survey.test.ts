import t, { type Test } from 'tap'
import { Engine } from '../../../src/store/redis-store/engine.ts'
import { RedisStore } from '../../../src/store/redis-store/redis-store.ts'
import { Survey, type Findings } from '../../../src/store/redis-store/survey.ts'
import { noRedis, startRedis } from '../../redis.ts'

const look = async (t: Test, url: string): Promise<Findings & { survey: Survey }> => {
  const engine = await Engine.open({ url: new URL(url), timeoutMs: 60_000 })
  t.teardown(() => engine.close())
  const survey = new Survey(engine)
  t.equal(survey.isOwn, false)
  return { ...(await survey.look()), survey }
}

t.test('on a Redis', { skip: noRedis }, async (t) => {
  t.test('an empty database becomes its own, one of another server does not', async (t) => {
    const { host, url, command } = await startRedis(t)
    t.match(await look(t, url), { isOwn: true, survey: { isOwn: true } })
    t.match(await look(t, url), { isOwn: true })
    t.equal(await command(1, 'GET', 'kss:format'), '1')
    await command(2, 'SET', 'user:ann:key', 'K')
    t.match(await look(t, `redis://${host}/2`), { isOwn: false, survey: { isOwn: false } })
    t.equal(await command(2, 'GET', 'kss:format'), null)
  })

  t.test('a database of a newer kss is refused', async (t) => {
    const { url, command } = await startRedis(t)
    await command(1, 'SET', 'kss:format', '2')
    const message = 'The database has format 2, and this kss knows only 1. Install a newer kss-server.'
    await t.rejects(look(t, url), { message })
    const store = await RedisStore.open({ url: new URL(url), timeoutMs: 60_000 })
    t.teardown(() => store.close())
    const told: (string | undefined)[] = []
    store.watch((failure) => told.push(failure?.message))
    await t.rejects(store.survey.look(), { code: 'STORE_UNAVAILABLE', message })
    await t.rejects(store.createUser({ username: 'ann', key: 'K' }), { message })
    await t.rejects(store.getRegistration(), { message })
    t.match(store.stats.failure(), { message })
    t.same(await command(1, 'KEYS', '*'), ['kss:format'])
    await command(1, 'SET', 'kss:format', '1')
    await store.survey.look()
    t.equal(await store.createUser({ username: 'ann', key: 'K' }), true)
    t.same(told, [undefined, message, undefined])
  })

  t.test(
    'a database that was emptied is its own again, whatever counts log-ins or belongs to others there',
    async (t) => {
      const { url, command } = await startRedis(t)
      await command(1, 'SET', 'kss:limit:login:192.0.2.1', '1')
      await command(1, 'SET', 'another:app', 'x')
      t.match(await look(t, url), { isOwn: true })
    },
  )

  const log = ['--appendonly', 'yes', '--appendfsync']
  const noConfig = ['--rename-command', 'CONFIG', '', '--rename-command', 'ROLE', '']
  for (const [settings, expected] of [
    [[...log, 'always'], []],
    [[...log, 'everysec'], [/^A power cut costs the positions of the last second/]],
    [[...log, 'no'], [/^A power cut costs what the system has not written yet: appendfsync is no/]],
    [[], [/^A power cut costs all positions since the last snapshot/]],
    [noConfig, [/^The engine does not tell what a power cut would cost/]],
  ] as const) {
    t.test(`what a power cut would cost is told for: ${settings.join(' ')}`, async (t) => {
      const { warnings } = await look(t, (await startRedis(t, ...settings)).url)
      t.equal(warnings.length, expected.length)
      t.match(warnings, [...expected])
    })
  }

  t.test('a replica is told', async (t) => {
    const { url, command } = await startRedis(t)
    await command(1, 'SET', 'kss:format', '1')
    await command(1, 'REPLICAOF', '127.0.0.1', '1')
    const { warnings } = await look(t, url)
    t.match(warnings.at(-1), /^This Redis is a replica: positions cannot be stored/)
  })
})
