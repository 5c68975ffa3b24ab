import t, { type Test } from 'tap'
import { Engine, type EngineOptions } from '../../../src/store/redis-store/engine.ts'
import { getRecord } from '../../../src/store/redis-store/scripts.ts'
import { freePort } from '../../free-port.ts'
import { noRedis, startRedis } from '../../redis.ts'
import { until } from '../../until.ts'

const open = async (t: Test, url: string, options: Partial<EngineOptions> = {}): Promise<Engine> => {
  const engine = await Engine.open({ url: new URL(url), timeoutMs: 60_000, ...options })
  t.teardown(() => engine.close())
  return engine
}

const reasonOf = async (work: Promise<unknown>): Promise<string> =>
  await work.then(
    () => 'none',
    ({ message }: Error) => message.replace(/^Redis at [\d.:]+, database 1, /, ''),
  )

t.test('an engine that is not there fails at once, and says so', async (t) => {
  const url = `redis://127.0.0.1:${await freePort()}/1`
  const engine = await open(t, url)
  await t.rejects(engine.ask(['PING']), { code: 'STORE_UNAVAILABLE' })
  t.equal(await reasonOf(engine.ask(['PING'])), 'cannot be reached')
  t.match(engine.failure, { code: 'STORE_UNAVAILABLE' })
  const once = await open(t, url, { reconnects: false })
  t.equal(await reasonOf(once.ask(['PING'])), 'cannot be reached')
  engine.close()
  engine.close()
})

t.test('with a Redis', { skip: noRedis }, async (t) => {
  t.test('what it refuses is said in words of its own, and no word is quoted', async (t) => {
    const { url, host, command } = await startRedis(t, '--requirepass', 'secret')
    const stranger = await open(t, url, { reconnects: false })
    t.equal(stranger.failure?.message, `Redis at ${host}, database 1, refuses the name or the password`)
    const engine = await open(t, `redis://:secret@${host}/1`)
    t.equal(engine.failure, undefined)
    t.equal(await reasonOf(engine.ask(['HGET', 'a'])), 'does not answer as it should (ERR)')
    await engine.ask(['SET', 'text', 'x'])
    t.equal(await reasonOf(engine.ask(['LRANGE', 'text', '0', '1'])), 'does not answer as it should (WRONGTYPE)')
    await engine.ask(['CONFIG', 'SET', 'maxmemory', '1'])
    t.equal(await reasonOf(engine.ask(['SET', 'a', 'b'])), 'is full: its memory limit is reached')
    await engine.ask(['CONFIG', 'SET', 'maxmemory', '0'])
    await engine.ask(['REPLICAOF', '127.0.0.1', '1'])
    t.equal(await reasonOf(engine.ask(['SET', 'a', 'b'])), 'is a read-only replica')
    t.ok(command)
  })

  t.test('a script that it forgot is sent again', async (t) => {
    const engine = await open(t, (await startRedis(t)).url)
    const run = (): Promise<unknown> => engine.run(getRecord, ['key', 'account', 'record'], ['id', '1'])
    t.same(await run(), ['GONE'])
    await engine.ask(['SCRIPT', 'FLUSH'])
    t.same(await run(), ['GONE'])
    await engine.ask(['SET', 'record', 'text'])
    await engine.ask(['HSET', 'key', 'a', 'b'])
    await t.rejects(run(), { code: 'STORE_UNAVAILABLE' })
  })

  t.test('one that hangs is not waited for', async (t) => {
    const { url, pid } = await startRedis(t)
    const engine = await open(t, url, { timeoutMs: 50 })
    process.kill(pid(), 'SIGSTOP')
    t.equal(await reasonOf(engine.ask(['PING'])), 'does not answer')
    process.kill(pid(), 'SIGCONT')
    await until(() => engine.failure === undefined)
  })

  t.test('it is told when the engine goes away and when it is back, and nothing is asked twice', async (t) => {
    const redis = await startRedis(t, '--appendonly', 'yes', '--appendfsync', 'always')
    const engine = await open(t, redis.url)
    const told: (string | undefined)[] = []
    engine.watch((failure) => told.push(failure?.message.replace(/^.*, /, '')))
    t.equal(await engine.ask(['INCR', 'pushes']), 1)
    await redis.stop()
    await until(() => engine.failure !== undefined)
    await t.rejects(engine.ask(['INCR', 'pushes']), { code: 'STORE_UNAVAILABLE' })
    await redis.start()
    await until(() => engine.failure === undefined)
    t.equal(await engine.ask(['GET', 'pushes']), '1')
    t.same(told[0], undefined)
    t.equal(told.at(-1), undefined)
    t.ok(told.includes('cannot be reached'))
  })
})

t.test('a cluster of which nobody answers cannot be asked, and says why', async (t) => {
  const options = { url: new URL('redis://127.0.0.1:1/0'), cluster: ['127.0.0.1:1'], reconnects: false }
  const engine = await Engine.open(options)
  t.teardown(() => engine.close())
  await t.rejects(engine.askAll(['DBSIZE']), { code: 'STORE_UNAVAILABLE' })
})
