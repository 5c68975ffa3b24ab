import { hash } from 'node:crypto'
import t, { type Test } from 'tap'
import type { Engine } from '../../../src/store/redis-store/engine.ts'
import { Indexes } from '../../../src/store/redis-store/indexes.ts'
import { keysOf } from '../../../src/store/redis-store/keys.ts'
import { noRedis, startRedis } from '../../redis.ts'
import { until } from '../../until.ts'
import { usernamesOf } from '../by-name.ts'
import { openOn } from './open.ts'

t.test('an account that is deleted while it is listed is not listed', async (t) => {
  const said: string[] = []
  const exist = [1, 0, 0, 0]
  const engine = {
    keysOf,
    ask: async ([command]: string[]) => {
      said.push(command!)
      return command === 'EXISTS' ? exist.shift() : 0
    },
    run: async () => [],
  } as unknown as Engine
  await new Indexes(engine).update('ann', 'id')
  t.same(said, ['EXISTS', 'ZADD', 'EXISTS', 'EXISTS', 'ZREM', 'SREM', 'EXISTS', 'HDEL'])
})

t.test('what a crash left undone is done at the next look-up', { skip: noRedis }, async (t: Test) => {
  const redis = await startRedis(t)
  const store = await openOn(t, redis, 1)
  await store.admin.setInvited('ann', true)
  // As the script that creates an account leaves it.
  await redis.command(1, 'SET', 'user:ann:key', 'K')
  const sum = hash('sha1', 'K')
  await redis.command(1, 'HSET', 'kss:{ann}:account', 'id', '1', 'generation', '1', 'sum', sum, 'unlisted', '1')
  t.match(await store.getUser('ann'), { key: 'K' })
  await until(async () => (await redis.command(1, 'HEXISTS', 'kss:{ann}:account', 'unlisted')) === 0)
  t.same(await usernamesOf(store), ['ann'])
  t.same((await store.getRegistration()).invited, [])

  // As the script that deletes one leaves it.
  await redis.command(1, 'SADD', 'kss:operators', '2')
  await redis.command(1, 'ZADD', 'kss:users', '0', 'bob')
  await redis.command(1, 'HSET', 'kss:{bob}:account', 'gone', '2')
  t.equal(await store.getUser('bob'), undefined)
  t.match(await store.getRegistration(), { removed: ['bob'] })
  t.same((await store.admin.listUsers()).total, 1)
  t.equal(await store.admin.hasOperator(), false)
  t.equal(await redis.command(1, 'EXISTS', 'kss:{bob}:account'), 0)
})

t.test('an account is created also when it cannot be listed yet', { skip: noRedis }, async (t) => {
  const redis = await startRedis(t)
  const store = await openOn(t, redis, 1)
  await redis.command(1, 'SET', 'kss:users', 'no index')
  t.equal(await store.createUser({ username: 'ann', key: 'K' }), true)
  t.match(await store.getUser('ann'), { key: 'K' })
  await redis.command(1, 'DEL', 'kss:users')
  await store.admin.repair()
  t.same(await usernamesOf(store), ['ann'])
})
