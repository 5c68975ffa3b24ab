import t from 'tap'
import { noRedis, startRedis } from '../../redis.ts'
import { accountOf } from '../by-name.ts'
import { pushed } from '../contract.ts'
import { openNew, openOn } from './open.ts'

t.test('on a Redis', { skip: noRedis }, async (t) => {
  const redis = await startRedis(t, '--databases', '500')

  t.test('what cannot be read is told, and the rest is listed', async (t) => {
    const store = await openOn(t, redis, 400)
    for (const name of ['ann', 'bob', 'gone']) await store.createUser({ username: name, key: 'K' })
    const ann = await accountOf(store, 'ann')
    for (const document of ['a', 'b', 'c', 'd']) await store.putProgress(ann, { ...pushed, document })
    await redis.command(400, 'DEL', 'user:gone:key', 'user:bob:key', 'user:ann:document:b', 'user:ann:document:c')
    await redis.command(400, 'LPUSH', 'user:bob:key', 'x')
    await redis.command(400, 'SET', 'user:ann:document:c', 'x')
    await redis.command(400, 'HSET', 'user:ann:document:d', 'percentage', 'bad')
    await redis.command(400, 'DEL', 'kss:{ann}:history:d')
    const again = await openOn(t, redis, 400)
    const { users, damaged, total } = await again.admin.listUsers()
    t.match(users, [{ username: 'ann' }])
    t.equal(total, 3)
    t.match(damaged, [/^user "bob": Redis at .* does not answer as it should \(WRONGTYPE\)$/])
    t.match(await again.admin.listDocuments(ann), {
      documents: [{ document: 'a' }, { document: 'c', progress: '56' }],
      problems: ['document "c": has no progress', 'document "d": has no percentage'],
    })
    t.match(await again.admin.getSummary(ann), { documents: 2, problems: { length: 2 } })
  })

  t.test('of a record that cannot be read the newest row of the history is served, listed and exported', async (t) => {
    const store = await openOn(t, redis, 403)
    await store.createUser({ username: 'ann', key: 'K' })
    const ann = await accountOf(store, 'ann')
    for (const progress of ['1', '2']) await store.putProgress(ann, { ...pushed, progress })
    const damage = (): Promise<unknown> => redis.command(403, 'HSET', 'user:ann:document:abc', 'percentage', 'bad')
    await damage()
    t.match(await store.getProgress(ann, 'abc'), { progress: '2' })
    const problems = ['document "abc": has no percentage']
    t.match(await store.admin.listDocuments(ann), { documents: [{ progress: '2' }], problems })
    const rows = [{ progress: '1' }, { progress: '2' }]
    t.match(await store.admin.exportAccount(ann), { documents: [{ record: { progress: '2' }, rows }], problems })
    t.equal(await store.admin.putTitle(ann, 'abc', 'Dune'), true)
    t.match(await store.admin.listDocuments(ann), { documents: [{ progress: '2', title: 'Dune' }], problems: [] })
    await damage()
    await redis.command(403, 'DEL', 'kss:{ann}:history:abc')
    await t.rejects(store.getProgress(ann, 'abc'), { code: 'DAMAGED_FILE' })
    t.equal(await store.admin.putTitle(ann, 'abc', 'Dune'), false)
  })

  t.test('a title leaves the history as it is, also what cannot be read in it', async (t) => {
    const store = await openOn(t, redis, 407)
    await store.createUser({ username: 'ann', key: 'K' })
    const ann = await accountOf(store, 'ann')
    await store.putProgress(ann, pushed)
    await redis.command(407, 'RPUSH', 'kss:{ann}:history:abc', '{bad')
    const { bytes } = await store.admin.getSummary(ann)
    t.equal(await store.admin.putTitle(ann, 'abc', 'Dune'), true)
    t.equal(await redis.command(407, 'LLEN', 'kss:{ann}:history:abc'), 2)
    t.equal((await store.admin.getSummary(ann)).bytes, bytes + 'titleDune'.length)
    t.equal(await store.admin.deleteProgress(ann, 'abc'), true)
    t.equal(await redis.command(407, 'EXISTS', 'kss:{ann}:history:abc'), 0)
  })

  t.test('a history of another type is told, and keeps nothing else from being stored or exported', async (t) => {
    const store = await openOn(t, redis, 404)
    await store.createUser({ username: 'ann', key: 'K' })
    const ann = await accountOf(store, 'ann')
    await redis.command(404, 'SET', 'kss:{ann}:history:abc', 'x')
    t.match(await store.putProgress(ann, pushed), pushed)
    await store.putProgress(ann, { ...pushed, document: 'def' })
    t.match(await store.admin.exportAccount(ann), {
      documents: [{ rows: [pushed] }, { record: { document: 'def' } }],
      problems: [/^the history of document "abc": .*WRONGTYPE/],
    })
    await redis.command(404, 'HSET', 'user:ann:document:abc', 'percentage', 'bad')
    t.match(await store.admin.listDocuments(ann), { documents: [{ document: 'def' }], problems: { length: 1 } })
  })

  t.test('two documents whose records are in no history are merged with them', async (t) => {
    for (const history of [true, false]) {
      const store = await openOn(t, redis, history ? 405 : 406, { history })
      await redis.command(history ? 405 : 406, 'SET', 'user:ann:key', 'K')
      for (const [document, time] of [
        ['old', '100'],
        ['new', '200'],
      ] as const) {
        const fields = ['percentage', '0.25', 'progress', document, 'device', 'Kobo', 'timestamp', time]
        await redis.command(history ? 405 : 406, 'HSET', `user:ann:document:${document}`, ...fields)
      }
      const ann = await accountOf(store, 'ann')
      t.equal(await store.admin.mergeDocuments(ann, 'old', 'new'), true)
      const kept = (await redis.command(history ? 405 : 406, 'LLEN', 'kss:{ann}:history:new')) as number
      t.equal(kept, history ? 2 : 0)
      t.match(await store.getProgress(ann, 'new'), { progress: 'new' })
    }
  })

  t.test('an account that goes while it is summed up is stale', async (t) => {
    const store = await openNew(t, redis)
    await store.createUser({ username: 'ann', key: 'K' })
    const ann = await accountOf(store, 'ann')
    t.match(await store.admin.getSummary(ann), { documents: 0, lastActive: Number })
    const list = store.admin.listDocuments.bind(store.admin)
    store.admin.listDocuments = async (...args) => {
      const page = await list(...args)
      await store.deleteUser(ann)
      return page
    }
    await t.rejects(store.admin.getSummary(ann), { code: 'STALE_ACCOUNT', isGone: true })
    await store.createUser({ username: 'ann', key: 'K' })
    await store.createUser({ username: 'bob', key: 'K' })
    const again = await accountOf(store, 'ann')
    store.admin.listDocuments = async (...args) => {
      const page = await list(...args)
      if (args[0].username === 'ann') await store.deleteUser(again)
      return page
    }
    t.match(await store.admin.listAccounts(), { accounts: [{ account: { username: 'bob' } }], damaged: [] })
    store.admin.listDocuments = () => Promise.reject(new Error('away'))
    await t.rejects(store.admin.listAccounts(), { message: 'away' })
  })

  t.test('a change of a document begins again when a push was faster', async (t) => {
    const store = await openNew(t, redis)
    await store.createUser({ username: 'ann', key: 'K' })
    const ann = await accountOf(store, 'ann')
    await store.putProgress(ann, pushed)
    // The engine has the scripts then: the calls below keep their order.
    await store.admin.putTitle(ann, 'abc', 'Title')
    const both = Array.from({ length: 20 }, async (_, at) => {
      await Promise.all([
        store.admin.putTitle(ann, 'abc', `Title ${at}`),
        store.putProgress(ann, { ...pushed, progress: `${at}` }),
      ])
    })
    await Promise.all(both)
    t.equal((await store.listHistory(ann, 'abc')).length, 21)
    t.match(await store.getProgress(ann, 'abc'), { progress: '19', title: /^Title / })
  })

  t.test('rows of an import that are known are not added, nor a title that is there', async (t) => {
    const store = await openNew(t, redis, { history: false })
    await store.createUser({ username: 'ann', key: 'K' })
    const ann = await accountOf(store, 'ann')
    await store.putProgress(ann, { ...pushed, device_id: 'A' })
    const newer = { ...pushed, progress: '57', timestamp: 2000 }
    const documents = [{ rows: [{ ...pushed, device_id: 'A' }, newer], title: 'Dune' }]
    t.same(await store.admin.importAccount(ann, documents), { documents: 1, latest: 1, rows: 1 })
    t.same(await store.getProgress(ann, 'abc'), { ...newer, title: 'Dune' })
    t.same(await store.admin.importAccount(ann, [{ ...documents[0]!, title: 'Emma' }]), {
      documents: 1,
      latest: 0,
      rows: 0,
    })
    t.match(await store.getProgress(ann, 'abc'), { title: 'Dune' })
  })

  t.test('a name that had documents but no account is taken over without them', async (t) => {
    const store = await openOn(t, redis, 401)
    await store.createUser({ username: 'ann', key: 'K' })
    await store.createUser({ username: 'bob', key: 'K' })
    await store.putProgress(await accountOf(store, 'bob'), pushed)
    await redis.command(401, 'DEL', 'user:bob:key')
    const ann = await accountOf(store, 'ann')
    t.equal(await store.admin.renameUser(ann, 'bob'), true)
    t.equal(await store.getProgress(await accountOf(store, 'bob'), 'abc'), undefined)
  })

  t.test('a repair makes known what another server stored', async (t) => {
    const store = await openOn(t, redis, 402)
    await store.createUser({ username: 'ann', key: 'K' })
    await redis.command(402, 'SET', 'kss:format', '1')
    await redis.command(402, 'HSET', 'user:ann:document:abc', 'progress', '1', 'percentage', '1', 'timestamp', '1')
    await redis.command(402, 'SET', 'user:other', 'no key of ours')
    const fresh = await openOn(t, redis, 402)
    const ann = await accountOf(fresh, 'ann')
    t.same((await fresh.admin.listDocuments(ann)).documents, [])
    t.match(await fresh.admin.repair(), [{ problem: 'users or documents that are not in the index: 1' }])
    t.equal((await fresh.admin.listDocuments(ann)).documents.length, 1)
    t.same(await fresh.admin.repair(), [])
  })
})
