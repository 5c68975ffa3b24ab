import type { Test } from 'tap'
import type { Progress } from '../../src/protocol.ts'
import type { Store } from '../../src/store/store.ts'

export const pushed: Progress = { document: 'abc', percentage: 0.5, progress: '56', device: 'kpw', timestamp: 1000 }

const names = [
  'ann',
  'Ann',
  'ANN',
  '../x',
  '..%2f',
  '..',
  '.',
  'auth',
  'AUTH',
  'history',
  'con',
  'a/b',
  'a\\b',
  '~',
  '%',
]
/** Users and documents that a careless file name would mix up, or lose. */
export const hardNames = [
  ...names,
  'nul\0byte',
  'x'.repeat(300),
  '李',
  'é'.normalize('NFC'),
  'é'.normalize('NFD'),
  ' ',
  '.tmp-',
]

/** What every store does. `open` gives a new, empty one. */
export function testStore(t: Test, open: (t: Test) => Promise<Store>): void {
  t.test('a user is there once created, as given', async (t) => {
    const store = await open(t)
    t.equal(await store.getUser('ann'), undefined)
    t.equal(await store.createUser({ username: 'ann', key: 'K' }), true)
    t.match(await store.getUser('ann'), { username: 'ann', key: 'K' })
    t.same(await store.listUsers(), ['ann'])
  })

  t.test('a name is given once, also when many ask at once', async (t) => {
    const store = await open(t)
    const created = await Promise.all(
      Array.from({ length: 12 }, (_, at) => store.createUser({ username: 'ann', key: `${at}` })),
    )
    t.equal(created.filter(Boolean).length, 1)
    t.equal((await store.getUser('ann'))?.key, String(created.indexOf(true)))
    t.equal(await store.createUser({ username: 'ann', key: 'late' }), false)
  })

  t.test('a key is replaced only if it still is the one it was', async (t) => {
    const store = await open(t)
    await store.createUser({ username: 'ann', key: '1' })
    t.same(await Promise.all([store.replaceKey('ann', '1', '2'), store.replaceKey('ann', '1', '3')]), [true, false])
    t.equal(await store.replaceKey('ann', '1', '4'), false)
    t.equal((await store.getUser('ann'))?.key, '2')
    t.equal(await store.replaceKey('bob', '1', '2'), false)
  })

  t.test('a record is what nextProgress makes of the push', async (t) => {
    const store = await open(t)
    await store.createUser({ username: 'ann', key: 'K' })
    t.equal(await store.getProgress('ann', 'abc'), undefined)
    const metadata = { title: 'Dune' }
    await store.putProgress('ann', { ...pushed, timestamp: 2000, metadata, device_id: 'A' })
    const expected = { ...pushed, percentage: 0.1, timestamp: 2000, metadata }
    t.same(await store.putProgress('ann', { ...pushed, percentage: 0.1 }), expected)
    t.same(await store.getProgress('ann', 'abc'), expected)
  })

  t.test('of many pushes at once the one answered last is stored, and each is in the history', async (t) => {
    const store = await open(t)
    await store.createUser({ username: 'ann', key: 'K' })
    let last: Progress | undefined
    await Promise.all(
      Array.from({ length: 50 }, async (_, at) => {
        last = await store.putProgress('ann', { ...pushed, progress: `${at}` })
      }),
    )
    t.same(await store.getProgress('ann', 'abc'), last)
    const history = await store.listHistory('ann', 'abc')
    t.same(
      history.map(({ progress }) => progress),
      Array.from({ length: 50 }, (_, at) => `${at}`),
    )
  })

  t.test('history holds every change, oldest first, as it was pushed', async (t) => {
    const store = await open(t)
    await store.createUser({ username: 'ann', key: 'K' })
    await store.putProgress('ann', { ...pushed, timestamp: 2000, device_id: 'A', metadata: { title: 'Dune' } })
    await store.putProgress('ann', pushed)
    t.same(await store.listHistory('ann', 'abc'), [
      { ...pushed, timestamp: 2000, device_id: 'A', metadata: { title: 'Dune' } },
      { ...pushed, timestamp: 2000 },
    ])
    t.same(await store.listHistory('ann', 'unknown'), [])
    t.same(await store.listHistory('bob', 'abc'), [])
  })

  t.test(
    'a push that repeats the last position of the same device is no row of the history, but its time counts',
    async (t) => {
      const store = await open(t)
      await store.createUser({ username: 'ann', key: 'K' })
      const [first, other] = [
        { ...pushed, device_id: 'A' },
        { ...pushed, device_id: 'B' },
      ]
      for (const [at, push] of [first, first, other, other, first].entries()) {
        await store.putProgress('ann', { ...push, timestamp: 2000 + at })
      }
      await store.putProgress('ann', { ...first, timestamp: 3000, metadata: { title: 'Dune' } })
      t.match(await store.getProgress('ann', 'abc'), { device_id: 'A', timestamp: 3000, metadata: { title: 'Dune' } })
      t.same(await store.listHistory('ann', 'abc'), [
        { ...first, timestamp: 2000 },
        { ...other, timestamp: 2002 },
        { ...first, timestamp: 2004 },
      ])
    },
  )

  t.test('a user is adopted until the key changes', async (t) => {
    const store = await open(t)
    await store.createUser({ username: 'ann', key: 'K', adopted: true })
    t.match(await store.getUser('ann'), { username: 'ann', key: 'K', adopted: true })
    await store.replaceKey('ann', 'K', 'L')
    t.notOk((await store.getUser('ann'))?.adopted)
  })

  t.test('a record is added where there is none, with its own time, and is a row of the history', async (t) => {
    const store = await open(t)
    await store.createUser({ username: 'ann', key: 'K' })
    t.same(await store.addProgress('ann', pushed), pushed)
    t.same(await store.getProgress('ann', 'abc'), pushed)
    t.same(await store.addProgress('ann', { ...pushed, progress: '57', timestamp: 2000 }), pushed)
    t.same(await store.getProgress('ann', 'abc'), pushed)
    t.same(await store.listHistory('ann', 'abc'), [pushed])
    t.match(await store.putProgress('ann', { ...pushed, progress: '58' }), { progress: '58' })
  })

  for (const order of ['before', 'after'] as const) {
    t.test(`of a push and a record that is added right ${order} it the push is stored`, async (t) => {
      const store = await open(t)
      await store.createUser({ username: 'ann', key: 'K' })
      const push = (): Promise<unknown> => store.putProgress('ann', { ...pushed, progress: 'pushed', timestamp: 2000 })
      const add = (): Promise<unknown> => store.addProgress('ann', pushed)
      await Promise.all(order === 'before' ? [add(), push()] : [push(), add()])
      t.match(await store.getProgress('ann', 'abc'), { progress: 'pushed', timestamp: 2000 })
    })
  }

  t.test('nobody has positions without an account', async (t) => {
    const store = await open(t)
    t.equal(await store.addProgress('ann', pushed), undefined)
    t.equal(await store.putProgress('ann', pushed), undefined)
    t.equal(await store.getProgress('ann', 'abc'), undefined)
    t.same(await store.listUsers(), [])
  })

  t.test('a deleted user takes everything along', async (t) => {
    const store = await open(t)
    await store.createUser({ username: 'ann', key: 'K' })
    await store.putProgress('ann', pushed)
    t.equal(await store.deleteUser('ann'), true)
    t.equal(await store.deleteUser('ann'), false)
    t.equal(await store.getUser('ann'), undefined)
    t.equal(await store.putProgress('ann', pushed), undefined)
    t.equal(await store.createUser({ username: 'ann', key: 'K' }), true)
    t.equal(await store.getProgress('ann', 'abc'), undefined)
    t.same(await store.listHistory('ann', 'abc'), [])
  })

  t.test('different names are different users and documents, however alike', async (t) => {
    const store = await open(t)
    for (const name of hardNames) t.equal(await store.createUser({ username: name, key: name }), true, name)
    for (const name of hardNames) await store.putProgress('ann', { ...pushed, document: name, progress: name })
    for (const name of hardNames) {
      t.match(await store.getUser(name), { username: name, key: name })
      t.match(await store.getProgress('ann', name), { document: name, progress: name })
      t.equal((await store.listHistory('ann', name)).length, 1)
    }
    t.same((await store.listUsers()).toSorted(), hardNames.toSorted())
  })
}
