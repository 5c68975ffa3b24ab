import t from 'tap'
import type { Progress } from '../../../src/kosync/protocol.ts'
import { noRedis, startRedis } from '../../redis.ts'
import { accountOf, byName, usernamesOf } from '../by-name.ts'
import { pushed, testAdmin, testStore } from '../contract.ts'
import { testSessions } from '../sessions-contract.ts'
import { openNew, openOn } from './open.ts'

const second = 1000
const texts = (rows: Progress[]): string[] => rows.map(({ progress }) => progress)

t.test('on a Redis', { skip: noRedis }, async (t) => {
  const redis = await startRedis(t, '--databases', '500')

  testStore(t, (each) => openNew(each, redis))
  testAdmin(t, async (each) => {
    const store = await openNew(each, redis)
    return { store, admin: store.admin }
  })
  testSessions(t, async (each) => (await openNew(each, redis)).sessions)

  t.test('what it stores is what the official server stores, to the byte', async (t) => {
    const store = await openOn(t, redis, 400)
    await store.createUser({ username: 'ann', key: 'K' })
    await byName(store).putProgress('ann', { ...pushed, device_id: 'A' })
    t.equal(await redis.command(400, 'GET', 'user:ann:key'), 'K')
    const fields = (await redis.command(400, 'HGETALL', 'user:ann:document:abc')) as string[]
    t.same(Object.fromEntries(fields.flatMap((name, at) => (at % 2 === 0 ? [[name, fields[at + 1]]] : []))), {
      percentage: '0.5',
      progress: '56',
      device: 'kpw',
      device_id: 'A',
      timestamp: '1000',
    })
    const keys = (await redis.command(400, 'KEYS', '*')) as string[]
    t.same(keys.filter((key) => !key.startsWith('kss:')).toSorted(), ['user:ann:document:abc', 'user:ann:key'])
  })

  t.test('the users of an official server are served at once, and its other fields stay', async (t) => {
    await redis.command(401, 'SET', 'user:ann:key', 'K')
    const record = ['percentage', '0.25', 'progress', '12', 'device', 'Kobo', 'timestamp', '900', 'note', 'mine']
    await redis.command(401, 'HSET', 'user:ann:document:abc', ...record)
    const store = await openOn(t, redis, 401)
    t.match(await store.getUser('ann'), { key: 'K', account: { generation: 1 } })
    t.match(await byName(store).getProgress('ann', 'abc'), { percentage: 0.25, progress: '12', timestamp: 900 })
    await byName(store).putProgress('ann', pushed)
    t.equal(await redis.command(401, 'HGET', 'user:ann:document:abc', 'note'), 'mine')
    await redis.command(401, 'HSET', 'user:ann:document:late', ...record)
    t.match((await store.admin.listUsers()).users, [{ username: 'ann' }])
    const { account } = (await store.getUser('ann'))!
    t.equal((await store.admin.listDocuments(account)).documents.length, 2)
    await redis.command(401, 'HSET', 'user:ann:document:later', ...record)
    await store.deleteUser(account)
    t.same(await redis.command(401, 'KEYS', 'user:*'), [])
  })

  t.test('the position that another server left is a row of the history, also one that it stored since', async (t) => {
    const store = await openOn(t, redis, 410)
    await redis.command(410, 'SET', 'user:ann:key', 'K')
    const left = async (...fields: string[]): Promise<unknown> =>
      await redis.command(410, 'HSET', 'user:ann:document:abc', 'device', 'Kobo "2"', ...fields)
    const rows = async (): Promise<Progress[]> => await byName(store).listHistory('ann', 'abc')
    await left('percentage', '0.8', 'progress', '/far', 'timestamp', '900500', 'device_id', 'userdata: NULL')
    const kobo = { document: 'abc', percentage: 0.8, progress: '/far', device: 'Kobo "2"', timestamp: 900_500 }
    t.same(await rows(), [kobo], 'the record alone')
    await byName(store).putProgress('ann', { ...pushed, progress: '1' })
    t.match(await rows(), [kobo, { progress: '1' }])
    await byName(store).putProgress('ann', { ...pushed, progress: '2' })
    t.equal((await rows()).length, 3, 'what is in the history is not added')
    await left(
      'percentage',
      '1e-1',
      'progress',
      '/b',
      'timestamp',
      '1700000000000',
      'device_id',
      'K',
      'metadata',
      '{"a":1}',
    )
    await byName(store).putProgress('ann', { ...pushed, progress: '3' })
    const [late, last] = (await rows()).slice(3)
    t.match(late, { percentage: 0.1, progress: '/b', device_id: 'K', timestamp: 1_700_000_000, metadata: { a: 1 } })
    t.match(last, { progress: '3' })
    for (const [at, fields] of [
      ['percentage', 'bad'],
      ['percentage', 'nan'],
      ['percentage', '0.5', 'timestamp', 'nan', 'metadata', '{'],
      ['percentage', '1.', 'timestamp', '5', 'metadata', '{"a":NaN}'],
    ].entries()) {
      await left(...fields, 'progress', `odd ${at}`)
      await byName(store).putProgress('ann', { ...pushed, progress: `${4 + at}` })
    }
    t.same(texts((await rows()).slice(5)), ['4', '5', 'odd 2', '6', 'odd 3', '7'], 'none of what cannot be read')
  })

  t.test('a key that another server stored is another generation of the account', async (t) => {
    const store = await openOn(t, redis, 402)
    await store.createUser({ username: 'ann', key: 'K', adopted: true })
    const ann = await accountOf(store, 'ann')
    await redis.command(402, 'SET', 'user:ann:key', 'L')
    await t.rejects(store.putProgress(ann, pushed), { code: 'STALE_ACCOUNT', isGone: false })
    t.same(await store.getUser('ann'), { username: 'ann', key: 'L', account: { ...ann, generation: 2 } })
    await redis.command(402, 'DEL', 'user:ann:key')
    await t.rejects(store.setKey({ ...ann, generation: 2 }, 'M'), { code: 'STALE_ACCOUNT', isGone: true })
  })

  t.test('an account whose id or generation is gone is taken over, and nobody is turned away', async (t) => {
    const store = await openOn(t, redis, 411)
    await store.createUser({ username: 'ann', key: 'K', disabled: true })
    await byName(store).putProgress('ann', pushed)
    for (const damage of [
      ['HSET', 'kss:{ann}:account', 'generation', 'zz'],
      ['HDEL', 'kss:{ann}:account', 'generation'],
      ['HDEL', 'kss:{ann}:account', 'id'],
    ] as const) {
      await redis.command(411, ...damage)
      const fresh = await openOn(t, redis, 411)
      t.match(await fresh.getUser('ann'), { disabled: true, account: { generation: 1 } })
      t.match(await byName(fresh).getProgress('ann', 'abc'), pushed)
      t.match(await fresh.admin.listAccounts(), { accounts: [{ documents: 1 }], damaged: [] })
    }
  })

  t.test('a key of another type is the trouble of its account alone', async (t) => {
    const store = await openOn(t, redis, 413)
    const told: unknown[] = []
    store.watch((failure) => told.push(failure))
    await store.createUser({ username: 'ann', key: 'K' })
    const ann = await accountOf(store, 'ann')
    await redis.command(413, 'SET', 'user:ann:document:abc', 'x')
    await t.rejects(store.getProgress(ann, 'abc'), { code: 'STORE_UNAVAILABLE' })
    t.equal(store.stats.failure(), undefined)
    t.same(told, [undefined])
  })

  t.test('what an account keeps is never less than nothing, though another server stored it', async (t) => {
    const store = await openOn(t, redis, 412)
    await redis.command(412, 'SET', 'user:ann:key', 'K')
    await redis.command(412, 'HSET', 'user:ann:document:abc', 'percentage', '1', 'progress', '1', 'timestamp', '1')
    const ann = await accountOf(store, 'ann')
    t.equal(await store.admin.deleteProgress(ann, 'abc'), true)
    t.equal((await store.admin.getSummary(ann)).bytes, 0)
  })

  t.test('a change of one process is seen by another within a second', async (t) => {
    const [one, other] = [await openOn(t, redis, 403), await openOn(t, redis, 403)]
    await one.createUser({ username: 'ann', key: 'K' })
    const before = await accountOf(other, 'ann')
    await one.setKey(before, 'L')
    const now = performance.now.bind(performance)
    t.intercept(performance, 'now', { value: () => now() + second })
    t.match(await other.getUser('ann'), { key: 'L' })
    // Nor before: what it does is compared with what is stored.
    await t.rejects(other.putProgress(before, pushed), { code: 'STALE_ACCOUNT' })
  })

  t.test('two processes that push one document leave one history without a gap', async (t) => {
    const stores = [await openOn(t, redis, 404), await openOn(t, redis, 404)]
    await stores[0]!.createUser({ username: 'ann', key: 'K' })
    const ann = await accountOf(stores[0]!, 'ann')
    const answered: number[] = []
    await Promise.all(
      stores.map(async (store, of) => {
        for (let at = 0; at < 100; at++) {
          const push = { ...pushed, progress: `${of}-${at}`, timestamp: 1000 + ((at * 7) % 13) }
          answered.push((await store.putProgress(ann, push)).timestamp)
        }
      }),
    )
    const rows = await stores[0]!.listHistory(ann, 'abc')
    t.equal(new Set(texts(rows)).size, 200)
    for (const index of [0, 1]) {
      t.same(
        texts(rows).filter((text) => text.startsWith(`${index}-`)),
        Array.from({ length: 100 }, (_, at) => `${index}-${at}`),
      )
    }
    const times = rows.map(({ timestamp }) => timestamp)
    t.same(
      times,
      times.toSorted((a, b) => a - b),
      'no time goes back',
    )
    t.equal(Math.max(...answered), 1012)
    t.same(await stores[1]!.getProgress(ann, 'abc'), rows.at(-1))
  })

  t.test('a time more than a day ahead is ignored', async (t) => {
    const store = await openNew(t, redis)
    await store.createUser({ username: 'ann', key: 'K' })
    await byName(store).putProgress('ann', { ...pushed, timestamp: 1_000_000 })
    t.match(await byName(store).putProgress('ann', pushed), { timestamp: 1000 })
  })

  t.test('a history keeps so many rows, or there is none', async (t) => {
    const store = await openNew(t, redis, { historyLimit: 3 })
    await store.createUser({ username: 'ann', key: 'K' })
    const ann = await accountOf(store, 'ann')
    for (let at = 0; at < 5; at++) await store.putProgress(ann, { ...pushed, progress: `${at}` })
    t.same(texts(await store.listHistory(ann, 'abc')), ['2', '3', '4'])
    const { bytes } = await store.admin.getSummary(ann)
    await store.putProgress(ann, { ...pushed, progress: '5' })
    t.equal((await store.admin.getSummary(ann)).bytes, bytes, 'what goes is not counted any more')
    const older = Array.from({ length: 5 }, (_, at) => ({ ...pushed, progress: `old ${at}`, timestamp: at }))
    await store.admin.importAccount(ann, [{ rows: older }])
    t.same(texts(await store.listHistory(ann, 'abc')), ['3', '4', '5'])

    const without = await openNew(t, redis, { history: false })
    await without.createUser({ username: 'ann', key: 'K' })
    await byName(without).putProgress('ann', pushed)
    t.same(await byName(without).listHistory('ann', 'abc'), [pushed], 'the record alone')
  })

  t.test('an account that keeps as much as it may gets no more documents, nor rows', async (t) => {
    const store = await openNew(t, redis, { quota: { documents: 2, bytes: 1000 } })
    await store.createUser({ username: 'ann', key: 'K' })
    const ann = await accountOf(store, 'ann')
    const put = (document: string, progress = '1'): Promise<Progress> =>
      store.putProgress(ann, { ...pushed, document, progress })
    await put('a')
    await put('b')
    await t.rejects(put('c'), { code: 'QUOTA_REACHED' })
    await store.admin.setQuota(ann, { documents: 3 })
    await put('c', 'x'.repeat(1000))
    await store.admin.setQuota(ann, { documents: 0 })
    await t.rejects(put('d'), { code: 'QUOTA_REACHED' }, 'too many bytes')
    t.match(await put('a', '2'), { progress: '2' })
    t.same(texts(await store.listHistory(ann, 'a')), ['1'])
    await store.admin.setQuota(ann, { documents: 0, bytes: 0 })
    await put('d')
    await store.admin.deleteProgress(ann, 'c')
    t.ok((await store.admin.getSummary(ann)).bytes < 1000)
  })

  t.test('an account may be disabled from its first day', async (t) => {
    const store = await openNew(t, redis)
    await store.createUser({ username: 'ann', key: 'K', disabled: true })
    t.match(await store.getUser('ann'), { disabled: true, account: { generation: 1 } })
    t.same(await usernamesOf(store), ['ann'])
  })

  t.test('it counts nothing of its own, and tells why it cannot be asked', async (t) => {
    const store = await openNew(t, redis)
    t.equal(store.stats.failure(), undefined)
    t.match(store.stats.figures(), { flushes: 0, lagSeconds: 0 })
  })
})
