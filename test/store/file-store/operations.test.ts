import { readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Progress } from '../../../src/kosync/protocol.ts'
import { FileStore } from '../../../src/store/file-store/file-store.ts'
import { pushed } from '../contract.ts'
import { faultyDisk } from './faulty-disk.ts'
import { removeFoldersLast } from '../../folders-last.ts'
import { adminByName, byName, usernamesOf } from '../by-name.ts'
import { until } from '../../until.ts'

removeFoldersLast(t)

interface Opened {
  dir: string
  store: FileStore
  damage: unknown[]
}

async function open(t: Test, dir = t.testdir({}), options = {}): Promise<Opened> {
  const damage: unknown[] = []
  const store = await FileStore.open({ dir, history: true, onDamage: (error) => damage.push(error), ...options })
  t.teardown(() => store.close())
  return { dir, store, damage }
}

/** With the user ann, who pushed the positions 0, 1, 2, … of `abc`, a second apart from 1000 on. */
async function openWithAnn(t: Test, pushes = 3): Promise<Opened> {
  const opened = await open(t)
  await opened.store.createUser({ username: 'ann', key: 'K' })
  for (let number = 0; number < pushes; number++) await byName(opened.store).putProgress('ann', at(number))
  return opened
}

const at = (number: number, more: Partial<Progress> = {}): Progress => ({
  ...pushed,
  progress: `${number}`,
  timestamp: 1000 + number,
  ...more,
})
const progressOf = (records: Progress[]): string[] => records.map(({ progress }) => progress)

t.test('a user who is renamed keeps the key, the records and the history, and the old name is free', async (t) => {
  const { dir, store } = await openWithAnn(t)
  t.equal(await adminByName(store).renameUser('ann', 'Bob'), true)
  t.equal(await store.getUser('ann'), undefined)
  t.match(await store.getUser('Bob'), { username: 'Bob', key: 'K' })
  t.match(await byName(store).getProgress('Bob', 'abc'), { progress: '2' })
  t.same(progressOf(await byName(store).listHistory('Bob', 'abc')), ['0', '1', '2'])
  t.same((await readdir(dir)).toSorted(), ['%42ob', '.format', '.registration.json', '.wal'])
  t.match(JSON.parse(await readFile(join(dir, '%42ob', 'auth.json'), 'utf8')), {
    'x-auth-user': 'Bob',
    'x-auth-key': 'K',
  })
  t.equal(await store.createUser({ username: 'ann', key: 'L' }), true)
  t.equal(await byName(store).getProgress('ann', 'abc'), undefined)
  await store.close()
  const { store: next } = await open(t, dir)
  t.match(await byName(next).getProgress('Bob', 'abc'), { progress: '2' })
})

t.test('a user gets no name that somebody has, or whose folder is in use', async (t) => {
  const { dir, store } = await openWithAnn(t)
  await store.createUser({ username: 'bob', key: 'K' })
  t.equal(await adminByName(store).renameUser('ann', 'bob'), false)
  await t.rejects(adminByName(store).renameUser('carl', 'dora'), { code: 'STALE_ACCOUNT' })
  await writeFile(join(dir, 'carl'), 'in the way')
  t.equal(await adminByName(store).renameUser('ann', 'carl'), false)
  t.match(await store.getUser('ann'), { key: 'K' })
  await byName(store).setKey('ann', 'L')
  t.match(JSON.parse(await readFile(join(dir, 'ann', 'auth.json'), 'utf8')), {
    'x-auth-user': 'ann',
    'x-auth-key': 'L',
  })
})

for (const [when, folder, username] of [
  ['before the folder had its new name', 'ann', 'ann'],
  ['after that', 'bob', 'bob'],
] as const) {
  t.test(`a renaming that a crash cut short ${when} leaves one user, whole`, async (t) => {
    const auth = JSON.stringify({ 'x-auth-user': 'ann', 'x-auth-key': 'K', 'x-auth-user-next': 'bob' })
    const { store } = await open(t, t.testdir({ [folder]: { 'auth.json': auth, 'abc.json': JSON.stringify(pushed) } }))
    t.same(await usernamesOf(store), [username])
    t.match(await store.getUser(username), { username, key: 'K' })
    t.same(await byName(store).getProgress(username, 'abc'), pushed)
    t.equal(await store.getUser(username === 'ann' ? 'bob' : 'ann'), undefined)
  })
}

t.test('pushes that come while a user is renamed are stored before, or are nobody’s', async (t) => {
  const { store } = await openWithAnn(t, 0)
  const pushes = Array.from({ length: 200 }, (_, number) => byName(store).putProgress('ann', at(number)))
  await pushes[0]
  const renamed = adminByName(store).renameUser('ann', 'bob')
  pushes.push(...Array.from({ length: 50 }, (_, number) => byName(store).putProgress('ann', at(1000 + number))))
  t.equal(await renamed, true)
  const stored = (await Promise.allSettled(pushes)).flatMap((push) =>
    push.status === 'fulfilled' ? push.value.progress : [],
  )
  t.same(progressOf(await byName(store).listHistory('bob', 'abc')), stored)
  t.ok(stored.includes('0'))
})

t.test('a locked account says so, until it is opened again; other fields stay', async (t) => {
  const auth = { 'x-auth-user': 'ann', 'x-auth-key': 'K', note: 'mine' }
  const { dir, store } = await open(t, t.testdir({ ann: { 'auth.json': JSON.stringify(auth) } }))
  await adminByName(store).setDisabled('ann', true)
  t.match(await store.getUser('ann'), { key: 'K', disabled: true })
  await byName(store).setKey('ann', 'L')
  t.match(await store.getUser('ann'), { key: 'L', disabled: true })
  await adminByName(store).setDisabled('ann', false)
  t.equal((await store.getUser('ann'))?.disabled, undefined)
  t.match(JSON.parse(await readFile(join(dir, 'ann', 'auth.json'), 'utf8')), { ...auth, 'x-auth-key': 'L' })
  await t.rejects(adminByName(store).setDisabled('bob', true), { code: 'STALE_ACCOUNT' })
})

t.test('a record that is deleted takes its history along, and the next push begins anew', async (t) => {
  const { dir, store } = await openWithAnn(t)
  t.equal(await adminByName(store).deleteProgress('ann', 'abc'), true)
  t.equal(await adminByName(store).deleteProgress('ann', 'abc'), false)
  await t.rejects(adminByName(store).deleteProgress('bob', 'abc'), { code: 'STALE_ACCOUNT' })
  t.equal(await byName(store).getProgress('ann', 'abc'), undefined)
  t.same(await byName(store).listHistory('ann', 'abc'), [])
  t.same((await readdir(join(dir, 'ann'), { recursive: true })).toSorted(), ['auth.json', 'history'])
  await byName(store).putProgress('ann', at(9))
  t.same(progressOf(await byName(store).listHistory('ann', 'abc')), ['9'])
})

t.test('two documents become one: history by time, the newer position, what only one has', async (t) => {
  const { dir, store } = await openWithAnn(t, 2)
  const metadata = { title: 'Dune', filename: 'dune.epub' }
  for (const [progress, timestamp] of [
    ['a', 900],
    ['b', 1000.5],
    ['c', 1005],
  ] as const) {
    await byName(store).putProgress('ann', { ...pushed, document: 'x', progress, timestamp, device_id: 'X' })
  }
  await byName(store).putProgress('ann', at(6, { metadata, progress: '6', device: 'tab' }))
  await adminByName(store).putTitle('ann', 'x', 'Mine')
  const merge = (...args: [username: string, from: string, into: string]): Promise<boolean> =>
    adminByName(store).mergeDocuments(...args)
  t.equal(await merge('ann', 'x', 'none'), false)
  t.equal(await merge('ann', 'none', 'x'), false)
  t.equal(await merge('ann', 'x', 'x'), false)
  await t.rejects(merge('bob', 'x', 'abc'), { code: 'STALE_ACCOUNT' })
  t.equal(await merge('ann', 'x', 'abc'), true)
  const merged = at(6, { metadata, progress: '6', device: 'tab', title: 'Mine' })
  t.strictSame(await byName(store).getProgress('ann', 'abc'), merged)
  t.same(progressOf(await byName(store).listHistory('ann', 'abc')), ['a', '0', 'b', '1', 'c', '6'])
  t.ok((await byName(store).listHistory('ann', 'abc')).every(({ document }) => document === 'abc'))
  t.equal(await byName(store).getProgress('ann', 'x'), undefined)
  t.same(await byName(store).listHistory('ann', 'x'), [])
  await store.close()
  const { store: next, damage } = await open(t, dir)
  t.strictSame(await byName(next).getProgress('ann', 'abc'), merged)
  t.equal(await byName(next).getProgress('ann', 'x'), undefined)
  t.same(damage, [])
})

for (const [call, path] of [
  ['rename', /\.tmp-/],
  ['rm', /history\/x\.jsonl/],
  ['rm', /ann\/x\.json/],
] as const) {
  t.test(
    `a disk that fails at ${call} of ${path} while documents become one loses nothing; again finishes it`,
    async (t) => {
      const { store } = await openWithAnn(t)
      await byName(store).putProgress('ann', at(7, { document: 'x', device_id: 'X' }))
      await byName(store).putProgress('ann', at(8, { document: 'x', device_id: 'X' }))
      await store.admin.flush()
      const disk = faultyDisk(t)
      disk.fail(call, path, 'EIO')
      await t.rejects(adminByName(store).mergeDocuments('ann', 'x', 'abc'), { code: 'EIO' })
      disk.mend()
      t.match(await byName(store).getProgress('ann', 'x'), { progress: '8' })
      t.equal(await adminByName(store).mergeDocuments('ann', 'x', 'abc'), true)
      t.match(await byName(store).getProgress('ann', 'abc'), { progress: '8', device_id: 'X' })
      t.same(progressOf(await byName(store).listHistory('ann', 'abc')), ['0', '1', '2', '7', '8'])
      t.equal(await byName(store).getProgress('ann', 'x'), undefined)
    },
  )
}

t.test('a title outlives pushes and a restart, and can be taken away', async (t) => {
  const { dir, store } = await openWithAnn(t)
  t.equal(await adminByName(store).putTitle('ann', 'abc', 'Dune'), true)
  await byName(store).putProgress('ann', at(3, { metadata: { title: 'other' } }))
  t.match(await byName(store).getProgress('ann', 'abc'), { progress: '3', title: 'Dune', metadata: { title: 'other' } })
  await store.close()
  const { store: next } = await open(t, dir)
  t.match(await byName(next).getProgress('ann', 'abc'), { progress: '3', title: 'Dune' })
  t.same((await byName(next).listHistory('ann', 'abc')).at(-1), at(3, { metadata: { title: 'other' } }))
  t.equal(await adminByName(next).putTitle('ann', 'abc', ''), true)
  t.notOk('title' in ((await byName(next).getProgress('ann', 'abc')) ?? {}))
  t.equal(await adminByName(next).putTitle('ann', 'unknown', 'Dune'), false)
})

t.test('a history is shortened to the newest rows, those since a time, and never to none', async (t) => {
  const { store } = await openWithAnn(t, 10)
  const history = async (): Promise<string[]> => progressOf(await byName(store).listHistory('ann', 'abc'))
  t.equal(await adminByName(store).pruneHistory('ann', 8, 0, 'abc'), 2)
  t.same(await history(), ['2', '3', '4', '5', '6', '7', '8', '9'])
  t.equal(await adminByName(store).pruneHistory('ann', Infinity, 1005, 'abc'), 3)
  t.same(await history(), ['5', '6', '7', '8', '9'])
  t.equal(await adminByName(store).pruneHistory('ann', 5, 1000, 'abc'), 0)
  t.equal(await adminByName(store).pruneHistory('ann', 0, 9999, 'abc'), 4)
  t.same(await history(), ['9'])
  t.equal(await adminByName(store).pruneHistory('ann', 1, 0, 'unknown'), 0)
  await byName(store).putProgress('ann', at(10))
  t.same(await history(), ['9', '10'])
})

t.test(
  'what is known elsewhere is merged: the newest position wins, the rest is history, also a second time',
  async (t) => {
    const { store } = await openWithAnn(t)
    await adminByName(store).putTitle('ann', 'abc', 'Dune')
    const documents = [
      { rows: [at(0, { timestamp: 5 }), at(1), at(7, { device_id: 'A' })], title: 'other' },
      { rows: [at(1, { document: 'new', timestamp: 30 })], title: 'New' },
    ]
    t.same(await adminByName(store).importAccount('ann', documents), { documents: 2, latest: 2, rows: 2 })
    for (const _ of [1, 2]) {
      t.same(await byName(store).getProgress('ann', 'abc'), { ...at(7), device_id: 'A', title: 'Dune' })
      t.same(progressOf(await byName(store).listHistory('ann', 'abc')), ['0', '1', '2', '7'])
      t.match(await byName(store).getProgress('ann', 'new'), { progress: '1', timestamp: 30, title: 'New' })
      t.same(await adminByName(store).importAccount('ann', documents), { documents: 2, latest: 0, rows: 0 })
    }
    const older = [{ rows: [at(5, { timestamp: 1005, percentage: 0.9 })] }]
    t.same(await adminByName(store).importAccount('ann', older), { documents: 1, latest: 0, rows: 1 })
    t.match(await byName(store).getProgress('ann', 'abc'), { progress: '7' })
    t.same(progressOf(await byName(store).listHistory('ann', 'abc')), ['0', '1', '2', '5', '7'])
    await t.rejects(adminByName(store).importAccount('bob', older), { code: 'STALE_ACCOUNT' })
  },
)

t.test('rows of one second are merged once, in their order', async (t) => {
  const { store } = await openWithAnn(t, 0)
  const rows = [at(1, { timestamp: 50 }), at(2, { timestamp: 50 }), at(1, { timestamp: 50 }), at(1, { timestamp: 60 })]
  for (const _ of [1, 2]) {
    await adminByName(store).importAccount('ann', [{ rows }])
    t.same(progressOf(await byName(store).listHistory('ann', 'abc')), ['1', '2', '1'])
    t.match(await byName(store).getProgress('ann', 'abc'), { timestamp: 60 })
  }
})

t.test('a single position is merged without a history, and is in it once there is another', async (t) => {
  const { dir, store } = await openWithAnn(t, 0)
  await adminByName(store).importAccount('ann', [{ rows: [at(1)] }])
  t.same((await readdir(join(dir, 'ann'))).toSorted(), ['abc.json', 'auth.json'])
  t.same(await adminByName(store).importAccount('ann', [{ rows: [at(1)] }]), { documents: 1, latest: 0, rows: 0 })
  await byName(store).putProgress('ann', at(2))
  await byName(store).putProgress('ann', at(3))
  t.same(await byName(store).listHistory('ann', 'abc'), [at(1), at(2), at(3)])
})

t.test('without a history none is merged', async (t) => {
  const { dir, store } = await open(t, t.testdir({}), { history: false })
  await store.createUser({ username: 'ann', key: 'K' })
  await adminByName(store).importAccount('ann', [{ rows: [at(1), at(2)] }])
  t.match(await byName(store).getProgress('ann', 'abc'), { progress: '2' })
  t.same((await readdir(join(dir, 'ann'))).toSorted(), ['abc.json', 'auth.json'])
})

t.test('two documents without a history are merged without one, while none is kept', async (t) => {
  const { dir, store } = await open(t, t.testdir({}), { history: false })
  await store.createUser({ username: 'ann', key: 'K' })
  for (const [number, document] of ['abc', 'def'].entries())
    await byName(store).putProgress('ann', at(number, { document }))
  t.equal(await adminByName(store).mergeDocuments('ann', 'def', 'abc'), true)
  t.match(await byName(store).getProgress('ann', 'abc'), { progress: '1' })
  t.same((await readdir(join(dir, 'ann'))).toSorted(), ['abc.json', 'auth.json'])
})

t.test('a history that is there goes on to get what is merged, also while none is kept', async (t) => {
  const { dir, store: before } = await openWithAnn(t, 2)
  await byName(before).putProgress('ann', at(3, { document: 'def' }))
  await before.close()
  const { store } = await open(t, dir, { history: false })
  await byName(store).putProgress('ann', at(5))
  await adminByName(store).importAccount('ann', [{ rows: [at(5)] }])
  t.same(progressOf(await byName(store).listHistory('ann', 'abc')), ['0', '1', '5'])
  await adminByName(store).mergeDocuments('ann', 'def', 'abc')
  t.same(progressOf(await byName(store).listHistory('ann', 'abc')), ['0', '1', '3', '5'])
})

t.test('an import that fails at one document ends when all others are written', async (t) => {
  const disk = faultyDisk(t)
  const { dir, store } = await openWithAnn(t, 0)
  await symlink('elsewhere.json', join(dir, 'ann/book0.json'))
  const written = /ann\/\.tmp-/
  const release = disk.hold('rename', written)
  const books = Array.from({ length: 40 }, (_, number) => ({ rows: [at(0, { document: `book${number}` })] }))
  const imported = t.rejects(adminByName(store).importAccount('ann', books))
  // One more than the other fifteen that are written at a time: the first has failed.
  await until(() => disk.count('rename', written) === 16)
  release()
  await imported
  t.equal(disk.count('rename', written), 39)
})

t.test('pushes go on beside operations on the same document, and none is lost', async (t) => {
  const { store } = await openWithAnn(t, 1)
  const stop = new AbortController()
  const pushing = (async (): Promise<number> => {
    let number = 0
    while (!stop.signal.aborted) {
      number += 1
      await byName(store).putProgress('ann', at(number))
    }
    return number
  })()
  for (let round = 0; round < 10; round++) {
    await adminByName(store).putTitle('ann', 'abc', `${round}`)
    await adminByName(store).importAccount('ann', [{ rows: [at(0, { timestamp: round })] }])
  }
  stop.abort()
  const last = await pushing
  t.match(await byName(store).getProgress('ann', 'abc'), { progress: `${last}`, title: '9' })
  const numbers = new Set(progressOf(await byName(store).listHistory('ann', 'abc')))
  t.equal(numbers.size, last + 1)
})

t.test('an operation on a folder that cannot be written changes nothing, and pushes go on', async (t) => {
  const { dir, store } = await openWithAnn(t, 0)
  await writeFile(join(dir, 'ann', 'history'), 'in the way')
  await byName(store).putProgress('ann', at(1))
  await t.rejects(adminByName(store).putTitle('ann', 'abc', 'Dune'), { code: 'ENOTDIR' })
  await t.rejects(adminByName(store).renameUser('ann', 'bob'), { code: 'ENOTDIR' })
  t.match(await byName(store).getProgress('ann', 'abc'), { progress: '1' })
  await byName(store).putProgress('ann', at(1, { document: 'x' }))
})

t.test('a push that waited for an operation is stored after it', async (t) => {
  const disk = faultyDisk(t)
  const { store } = await openWithAnn(t)
  const before = disk.count('sync', /\.log$/)
  const release = disk.hold('sync', /\.log$/)
  const titled = adminByName(store).putTitle('ann', 'abc', 'Dune')
  // The operation has the folder for itself, and flushes its tombstone.
  await until(async () => disk.count('sync', /\.log$/) > before)
  const late = byName(store).putProgress('ann', at(9))
  release()
  await titled
  t.match(await late, { progress: '9', title: 'Dune' })
})

t.test('what an operator says of registration is kept, and an invitation is used up', async (t) => {
  const { dir, store, damage } = await open(t)
  t.same(await store.getRegistration(), { invited: [] })
  await store.admin.setRegistration({ open: true, until: 5 })
  await store.admin.setInvited('ann', true)
  await store.admin.setInvited('bob', true)
  t.same(await store.getRegistration(), { open: true, until: 5, invited: ['ann', 'bob'] })
  await store.createUser({ username: 'ann', key: 'K' })
  await store.admin.setInvited('carl', false)
  await store.admin.setRegistration({})
  t.same(await store.getRegistration(), { invited: ['bob'] })
  await store.close()
  const { store: next } = await open(t, dir)
  t.same(await next.getRegistration(), { invited: ['bob'] })
  t.same(damage, [])
})

t.test(
  'names that were removed or renamed are remembered until somebody has them again, or they may return',
  async (t) => {
    const { dir, store } = await openWithAnn(t, 0)
    for (const username of ['bob', 'carl']) await store.createUser({ username, key: 'K' })
    await byName(store).deleteUser('bob')
    await adminByName(store).renameUser('ann', 'anna')
    t.same(await store.getRegistration(), { invited: [], removed: ['bob', 'ann'] })
    await store.admin.setRegistration({ open: false })
    await byName(store).deleteUser('carl')
    await store.admin.setRemoved(['ann'], false)
    await store.createUser({ username: 'bob', key: 'K' })
    await store.close()
    const { store: next } = await open(t, dir)
    t.same(await next.getRegistration(), { open: false, invited: [], removed: ['carl'] })
    await next.admin.setRemoved(['carl'], false)
    t.same(await next.getRegistration(), { open: false, invited: [] })
  },
)

t.test('of many names that were removed the newest are remembered', async (t) => {
  const removed = Array.from({ length: 10_000 }, (_, number) => `${number}`)
  const { store } = await open(t, t.testdir({ '.registration.json': JSON.stringify({ removed }) }))
  await store.createUser({ username: 'ann', key: 'K' })
  await byName(store).deleteUser('ann')
  t.same((await store.getRegistration()).removed, [...removed.slice(1), 'ann'])
})

t.test('an account goes also when that cannot be remembered', async (t) => {
  const { store, damage } = await open(t, t.testdir({ '.registration.json': '{' }))
  await store.createUser({ username: 'ann', key: 'K' })
  await byName(store).deleteUser('ann')
  t.equal(await store.getUser('ann'), undefined)
  await store.close()
  t.match(damage, [{ code: 'DAMAGED_FILE' }, { code: 'DAMAGED_FILE' }])
})

for (const text of ['{', '{"open":1}', '{"until":"x"}', '{"invited":"ann"}', '{"invited":[1]}', '{"removed":1}']) {
  t.test(`nobody can tell who may register from ${text}, but who is created is`, async (t) => {
    const { store, damage } = await open(t, t.testdir({ '.registration.json': text }))
    await t.rejects(async () => store.getRegistration(), { code: 'DAMAGED_FILE' })
    t.equal(await store.createUser({ username: 'ann', key: 'K' }), true)
    await store.close()
    t.match(damage, [{ code: 'DAMAGED_FILE' }])
  })
}

t.test(
  'a document that an archive has in two files is one: the newest position wins, both are in the history',
  async (t) => {
    const { store } = await openWithAnn(t, 0)
    const documents = [{ rows: [at(9)], title: 'Dune' }, { rows: [at(3)] }, { rows: [at(5)] }]
    t.same(await adminByName(store).importAccount('ann', documents), { documents: 3, latest: 1, rows: 3 })
    t.match(await byName(store).getProgress('ann', 'abc'), { progress: '9', title: 'Dune' })
    t.same(progressOf(await byName(store).listHistory('ann', 'abc')), ['3', '5', '9'])
  },
)

t.test("what is merged takes the place of another document's file, which is set aside", async (t) => {
  const auth = JSON.stringify({ 'x-auth-user': 'ann', 'x-auth-key': 'K' })
  const other = JSON.stringify({ ...pushed, document: 'other' })
  const { dir, store } = await open(t, t.testdir({ ann: { 'auth.json': auth, 'abc.json': other } }))
  await adminByName(store).importAccount('ann', [{ rows: [at(1)] }])
  t.match(await byName(store).getProgress('ann', 'abc'), { document: 'abc', progress: '1' })
  t.ok((await readdir(join(dir, 'ann'))).some((name) => name.startsWith('abc.json.corrupt-')))
})

t.test('a disk that fails while a user is renamed leaves the user as it was', async (t) => {
  const { store } = await openWithAnn(t)
  const disk = faultyDisk(t)
  disk.fail('rename', /\/ann$/, 'EIO')
  await t.rejects(adminByName(store).renameUser('ann', 'bob'), { code: 'EIO' })
  disk.mend()
  t.match(await byName(store).getProgress('ann', 'abc'), { progress: '2' })
  t.equal(await store.getUser('bob'), undefined)
  t.equal(await adminByName(store).renameUser('ann', 'bob'), true)
})

t.test('a disk that fails once a user has the new name does not undo the renaming', async (t) => {
  const { dir, store } = await openWithAnn(t)
  const { account: ann } = (await store.getUser('ann'))!
  const disk = faultyDisk(t)
  disk.fail('open', /\/bob\/\.tmp-/, 'ENOSPC')
  t.equal(await store.admin.renameUser(ann, 'bob'), true)
  const { account: bob } = (await store.getUser('bob'))!
  t.match(bob, { username: 'bob', folder: 'bob', id: ann.id, generation: ann.generation + 1 })
  await t.rejects(store.listHistory(ann, 'abc'), { code: 'STALE_ACCOUNT' })
  t.match(await store.getRegistration(), { removed: ['ann'] })
  disk.mend()
  await store.setKey(bob, 'L')
  t.match(JSON.parse(await readFile(join(dir, 'bob/auth.json'), 'utf8')), {
    'x-auth-user': 'bob',
    'x-auth-user-next': undefined,
    generation: bob.generation + 1,
  })
})

t.test('a flush ends while pushes come all the time', async (t) => {
  const { store } = await openWithAnn(t, 0)
  const stop = new AbortController()
  const push = async (device: number): Promise<void> => {
    for (let number = 0; !stop.signal.aborted; number++)
      await byName(store).putProgress('ann', at(number, { device: `${device}` }))
  }
  const pushing = Array.from({ length: 64 }, (_, device) => push(device))
  t.equal(await store.admin.flush(), true)
  stop.abort()
  await Promise.all(pushing)
})

t.test('a file that says only until when registration is open is read as it is', async (t) => {
  const { store } = await open(t, t.testdir({ '.registration.json': '{"until":5}' }))
  t.same(await store.getRegistration(), { until: 5, invited: [] })
})
