import t, { type Test } from 'tap'
import type { Finding } from '../../../src/store/finding.ts'
import { Check, type CheckOptions } from '../../../src/store/redis-store/check.ts'
import type { Reply } from '../../../src/store/redis-store/engine.ts'
import { keysOf, parseKey } from '../../../src/store/redis-store/keys.ts'
import type { RedisStore } from '../../../src/store/redis-store/redis-store.ts'
import type { Survey } from '../../../src/store/redis-store/survey.ts'
import { noRedis, startRedis, type Redis } from '../../redis.ts'
import { byName } from '../by-name.ts'
import { hardNames, pushed } from '../contract.ts'
import { openOn } from './open.ts'

async function findingsOf(
  { survey }: { survey: Pick<Survey, 'check'> },
  options: CheckOptions = {},
): Promise<Finding[]> {
  const found: Finding[] = []
  for await (const finding of survey.check(options)) found.push(finding)
  return found.toSorted((one, other) => one.path.localeCompare(other.path))
}

/** A check during which others change something just before one of its commands. */
function meanwhile(
  { command }: Redis,
  before: readonly [name: string, key: string],
  changes: readonly (readonly string[])[],
  options: CheckOptions = {},
): AsyncGenerator<Finding> {
  const ask = async (words: string[]): Promise<Reply> => {
    if (words[0] === before[0] && words[1] === before[1]) for (const change of changes) await command(1, ...change)
    return (await command(1, ...words)) as Reply
  }
  const scan = async function* (): AsyncGenerator<string[]> {
    yield (await command(1, 'KEYS', '*')) as string[]
  }
  return new Check({ ask, scan, askAll: async () => [0], run: async () => [], keysOf, parseKey }, options).findings()
}

/** A database that kss began, with ann and her document. */
async function openOwn(t: Test, redis: Redis): Promise<RedisStore> {
  const store = await openOn(t, redis, 1)
  await store.survey.look()
  await store.createUser({ username: 'ann', key: 'K' })
  await byName(store).putProgress('ann', { ...pushed, document: 'abc', metadata: { title: 'Dune' } })
  return store
}

t.test('the check of a Redis', { skip: noRedis }, async (t) => {
  t.test('finds nothing in what kss stored, and tells how far it is', async (t) => {
    const redis = await startRedis(t)
    const store = await openOwn(t, redis)
    for (const username of hardNames) {
      await store.createUser({ username, key: 'K' })
      for (const document of hardNames) await byName(store).putProgress(username, { ...pushed, document })
    }
    const account = (await store.getUser('Ann'))!.account
    await store.admin.setAdmin(account, true)
    await store.admin.setQuota(account, { documents: 500, bytes: 0 })
    await store.admin.setRegistration({ open: true, until: 2_000_000_000 })
    await store.admin.setInvited('eve', true)
    await store.admin.renameUser((await store.getUser('..'))!.account, 'rob')
    await store.sessions.putSession({
      hash: 'a1',
      username: 'Ann',
      accountId: account.id,
      generation: 1,
      isOperator: false,
      created: 1,
      lastSeen: 1,
      lastPassword: 1,
    })
    const shown: number[][] = []
    t.same(await findingsOf(store, { show: (done, total) => void shown.push([done, total]) }), [])
    const keys = (await redis.command(1, 'DBSIZE')) as number
    t.ok(shown.length > 0)
    t.same(shown.at(-1), [keys, keys])
    t.ok(shown.every(([done, total]) => done! <= total!))
  })

  t.test('finds nothing in an empty database, and marks it as nobody’s', async (t) => {
    const redis = await startRedis(t)
    t.same(await findingsOf(await openOn(t, redis, 1)), [])
    t.equal(await redis.command(1, 'DBSIZE'), 0)
  })

  t.test('leaves what another server stored, and it does not know, alone', async (t) => {
    const redis = await startRedis(t)
    await redis.command(1, 'SET', 'user:bob:key', 'K')
    await redis.command(1, 'HSET', 'user:bob:document:d', 'percentage', '0.5', 'progress', '1', 'timestamp', '1')
    for (const key of ['session', 'user:bob', 'kss:unknown', 'kss:{bob}:other']) await redis.command(1, 'SET', key, '1')
    const store = await openOn(t, redis, 1)
    t.same(await findingsOf(store), [])
    t.equal(await redis.command(1, 'EXISTS', 'kss:users'), 0)
  })

  t.test('finds what is damaged, and leaves it as it is', async (t) => {
    const redis = await startRedis(t)
    const set = async (...words: string[]): Promise<unknown> => await redis.command(1, ...words)
    const record = 'user:ann:document:abc'
    for (const [change, path, problem, damage] of [
      [['SET', 'kss:format', 'x'], 'kss:format', 'does not say what format the database has', true],
      [['SET', 'kss:format', '9'], 'kss:format', 'is of a newer kss', true],
      [['SET', 'kss:users', 'x'], 'kss:users', 'is a string, not a zset', true],
      [['SET', 'kss:operators', 'x'], 'kss:operators', 'is a string, not a set', true],
      [['SET', 'kss:invited', 'x'], 'kss:invited', 'is a string, not a list', true],
      [['HSET', 'kss:registration', 'open', 'x'], 'kss:registration', 'does not say who may register', true],
      [['HSET', 'kss:registration', 'until', 'x'], 'kss:registration', 'does not say who may register', true],
      [['HSET', 'kss:{ann}:account', 'quotaBytes', 'x'], 'kss:{ann}:account', 'has no number as quotaBytes', true],
      [['HDEL', 'kss:{ann}:account', 'generation'], 'kss:{ann}:account', 'has no number as generation', true],
      [['SET', 'kss:{ann}:documents', 'x'], 'kss:{ann}:documents', 'is a string, not a zset', true],
      [['SET', record, 'x'], record, 'is a string, not a hash', true],
      [['HDEL', record, 'progress'], record, 'has no progress', true],
      [['HSET', record, 'percentage', 'x'], record, 'has no percentage', true],
      [['HSET', record, 'metadata', '{'], record, 'has metadata that is not a JSON object', false],
      [['RPUSH', 'kss:{ann}:history:abc', '{', '1'], 'kss:{ann}:history:abc', 'has rows that cannot be read: 2', true],
      [['SET', 'kss:{ann}:history:abc', 'x'], 'kss:{ann}:history:abc', 'is a string, not a list', true],
    ] as const) {
      await set('FLUSHALL')
      const store = await openOwn(t, redis)
      await set(...change)
      const before = await set('DUMP', path)
      const found = await findingsOf(store)
      t.match(found, [{ path, problem, damage, advice: String, repair: undefined }], change.join(' '))
      t.equal(found.length, 1)
      t.same(await findingsOf(store, { mends: true }), found)
      t.same(await set('DUMP', path), before)
      store.close()
    }
  })

  t.test('finds documents without an account, once for each', async (t) => {
    const redis = await startRedis(t)
    const store = await openOwn(t, redis)
    await byName(store).putProgress('ann', { ...pushed, document: 'def' })
    await redis.command(1, 'DEL', 'user:ann:key')
    const [index, owner, ...more] = await findingsOf(store)
    t.match(index, { path: 'kss:users', problem: 'users or documents of the index that are not there: 1' })
    t.match(owner, {
      path: 'user:ann:key',
      problem: /^is missing, but .* is there: documents without an/,
      damage: true,
    })
    t.same(more, [])
  })

  t.test('finds a history without its document', async (t) => {
    const redis = await startRedis(t)
    const store = await openOwn(t, redis)
    await redis.command(1, 'DEL', 'user:ann:document:abc')
    t.match(await findingsOf(store), [
      { path: 'kss:{ann}:history:abc', problem: 'is of a document that is not there', damage: false },
      { path: 'kss:users', problem: 'users or documents of the index that are not there: 1', damage: false },
    ])
  })

  t.test('finds what the index lacks and what it has too many, and a repair brings it up', async (t) => {
    const redis = await startRedis(t)
    const store = await openOwn(t, redis)
    await redis.command(1, 'DEL', 'kss:{ann}:documents')
    const names = Array.from({ length: 700 }, (_, at) => ['0', `gone ${at}`]).flat()
    await redis.command(1, 'ZADD', 'kss:users', ...names)
    const expected = [
      {
        path: 'kss:users',
        problem: 'users or documents that are not in the index: 1',
        repair: 'adds them',
        damage: false,
      },
      {
        path: 'kss:users',
        problem: 'users or documents of the index that are not there: 700',
        repair: 'takes them out',
        damage: false,
      },
    ]
    t.same(await findingsOf(store), expected)
    t.same(await store.admin.repair(), expected)
    t.same(await findingsOf(store), [])
    t.same(await redis.command(1, 'ZRANGE', 'kss:users', '0', '-1'), ['ann'])
    t.same(await redis.command(1, 'ZRANGE', 'kss:{ann}:documents', '0', '-1'), ['abc'])
  })

  t.test('tells nothing of what changes meanwhile', async (t) => {
    const redis = await startRedis(t)
    const record = 'user:ann:document:abc'
    const removed = [['DEL', record, 'kss:{ann}:documents', 'kss:{ann}:history:abc']]
    for (const [name, key, changes] of [
      ['TYPE', record, removed],
      ['HGETALL', record, removed],
      ['ZSCORE', 'kss:users', [['ZREM', 'kss:users', 'gone']]],
    ] as const) {
      await redis.command(1, 'FLUSHALL')
      const store = await openOwn(t, redis)
      if (name === 'ZSCORE') await redis.command(1, 'ZADD', 'kss:users', '0', 'gone')
      t.same(await findingsOf({ survey: { check: (options) => meanwhile(redis, [name, key], changes, options) } }), [])
      store.close()
    }
    await redis.command(1, 'ZADD', 'kss:users', '0', 'back')
    const changes = [['SET', 'user:back:key', 'K']]
    const survey = { check: (options: CheckOptions) => meanwhile(redis, ['ZREM', 'kss:users'], changes, options) }
    await findingsOf({ survey }, { mends: true })
    t.equal(await redis.command(1, 'ZSCORE', 'kss:users', 'back'), '0')
  })

  t.test('is cut off', async (t) => {
    const store = await openOwn(t, await startRedis(t))
    await t.rejects(findingsOf(store, { signal: AbortSignal.abort() }), { name: 'AbortError' })
  })
})
