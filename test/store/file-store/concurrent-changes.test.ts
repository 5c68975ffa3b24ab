import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { replaceFile } from '../../../src/durable.ts'
import type { Progress } from '../../../src/kosync/protocol.ts'
import { FileStore, type FileStoreOptions } from '../../../src/store/file-store/file-store.ts'
import { pushed } from '../contract.ts'
import { accountOf, adminByName, byName, usernamesOf } from '../by-name.ts'
import { removeFoldersLast } from '../../folders-last.ts'
import { until } from '../../until.ts'
import { faultyDisk, type FaultyDisk } from './faulty-disk.ts'

removeFoldersLast(t)

interface Opened {
  dir: string
  disk: FaultyDisk
  store: FileStore
}

/** With the users ann and carl. */
async function open(t: Test, dir = t.testdir({}), options: Partial<FileStoreOptions> = {}): Promise<Opened> {
  const disk = faultyDisk(t)
  const store = await FileStore.open({ dir, history: true, onDamage: (error) => t.fail(String(error)), ...options })
  t.teardown(() => store.close())
  for (const username of ['ann', 'carl']) await store.createUser({ username, key: 'K' })
  return { dir, disk, store }
}

/** Matches the first path that the pattern matches, and no other one. */
class First extends RegExp {
  #path: string | undefined

  override test(path: string): boolean {
    if (!super.test(path)) return false
    this.#path ??= path
    return path === this.#path
  }
}

/** Begins the work and holds its first call of the disk on a path that matches. Resolves when that call waits. */
async function hang<T>(disk: FaultyDisk, call: 'sync' | 'rename', pattern: RegExp, work: () => Promise<T>) {
  const before = disk.count(call, pattern)
  const release = disk.hold(call, new First(pattern))
  const result = work()
  await until(async () => disk.count(call, pattern) > before)
  return { release, result }
}

/** Takes longer than a change that does not wait. */
async function untilIdle(t: Test): Promise<void> {
  for (let round = 0; round < 5; round++) await replaceFile(join(t.testdirName, 'file'), '')
}

const newAccount = /\.tmp-[^/]+\/auth\.json$/
const log = /\.wal\/\d+\.log$/

t.test('a registration that the disk holds up holds up no other account', async (t) => {
  const { disk, store } = await open(t)
  const { release, result } = await hang(disk, 'sync', newAccount, () =>
    store.createUser({ username: 'bob', key: 'K' }),
  )
  t.equal(await store.createUser({ username: 'dora', key: 'K' }), true)
  t.equal(await adminByName(store).renameUser('carl', 'emil'), true)
  t.match(await byName(store).putProgress('emil', pushed), pushed)
  await byName(store).setKey('emil', 'L')
  t.equal(await adminByName(store).putTitle('emil', 'abc', 'Dune'), true)
  await byName(store).deleteUser('emil')
  t.equal(await store.getUser('bob'), undefined)
  release()
  t.equal(await result, true)
  t.same((await usernamesOf(store)).toSorted(), ['ann', 'bob', 'dora'])
})

t.test('a registration that the disk holds up holds up another one of its name, which then fails', async (t) => {
  const { disk, store } = await open(t)
  const create = () => store.createUser({ username: 'bob', key: 'K' })
  const { release, result } = await hang(disk, 'sync', newAccount, create)
  const other = create()
  await store.createUser({ username: 'dora', key: 'K' })
  release()
  t.same(await Promise.all([result, other]), [true, false])
})

t.test('a name is given once: to who registers it first, or to who is renamed to it first', async (t) => {
  const { disk, store } = await open(t)
  const create = () => store.createUser({ username: 'bob', key: 'new' })
  const rename = () => adminByName(store).renameUser('ann', 'bob')
  const renaming = await hang(disk, 'rename', /\/ann$/, rename)
  const created = create()
  renaming.release()
  t.same(await Promise.all([renaming.result, created]), [true, false])
  t.match(await store.getUser('bob'), { key: 'K' })

  await byName(store).deleteUser('bob')
  await store.createUser({ username: 'ann', key: 'K' })
  const creating = await hang(disk, 'sync', newAccount, create)
  const renamed = rename()
  creating.release()
  t.same(await Promise.all([creating.result, renamed]), [true, false])
  t.match(await store.getUser('bob'), { key: 'new' })
  t.match(await store.getUser('ann'), { key: 'K' })
})

t.test('renamings in both directions at once end, and one to a name that is given up waits for that', async (t) => {
  const { disk, store } = await open(t)
  const rename = (from: string, to: string) => adminByName(store).renameUser(from, to)
  t.same(await Promise.all([rename('ann', 'carl'), rename('carl', 'ann')]), [false, false])
  await byName(store).putProgress('carl', pushed)
  const first = await hang(disk, 'rename', /\/ann$/, () => rename('ann', 'bob'))
  const second = rename('carl', 'ann')
  await untilIdle(t)
  first.release()
  t.same(await Promise.all([first.result, second]), [true, true])
  t.same((await usernamesOf(store)).toSorted(), ['ann', 'bob'])
  t.match(await byName(store).getProgress('ann', 'abc'), pushed)
})

for (const [what, change, error] of [
  ['a deletion', async (store: FileStore) => byName(store).deleteUser('ann'), { isGone: true }],
  ['a new key', async (store: FileStore) => byName(store).setKey('ann', 'L'), { isGone: false }],
  ['a renaming', async (store: FileStore) => adminByName(store).renameUser('ann', 'bob'), { isGone: true }],
  ['a lock', async (store: FileStore) => adminByName(store).setDisabled('ann', true), { isGone: false }],
] as const) {
  t.test(`${what} waits for the pushes in progress, and later pushes find the account changed`, async (t) => {
    const { disk, store } = await open(t)
    const ended: string[] = []
    const ann = await accountOf(store, 'ann')
    const push = (progress: string): Promise<Progress> => store.putProgress(ann, { ...pushed, progress })
    const { release, result } = await hang(disk, 'sync', log, () => push('early'))
    const early = result.then(() => ended.push('push'))
    const changed = change(store).then(() => ended.push('change'))
    await untilIdle(t)
    const late = push('late')
    release()
    await Promise.all([early, changed, t.rejects(late, { code: 'STALE_ACCOUNT', ...error })])
    t.same(ended, ['push', 'change'])
  })
}

t.test('an account of an older kss is locked under the name of its folder too', async (t) => {
  const auth = JSON.stringify({ 'x-auth-user': 'Alice', 'x-auth-key': 'K' })
  const { dir, disk, store } = await open(t, t.testdir({ Alice: { 'auth.json': auth } }))
  const { release, result } = await hang(disk, 'sync', log, () => byName(store).putProgress('Alice', pushed))
  const ended: string[] = []
  const early = result.then(() => ended.push('push'))
  const disabled = adminByName(store)
    .setDisabled('Alice', true)
    .then(() => ended.push('disabled'))
  await untilIdle(t)
  release()
  await Promise.all([early, disabled])
  t.same(ended, ['push', 'disabled'])
  t.equal(await adminByName(store).renameUser('Alice', 'alice'), true)
  t.ok((await readdir(dir)).includes('alice'))
  t.match(await byName(store).getProgress('alice', 'abc'), pushed)
})

t.test('changes of the registration at once are all kept', async (t) => {
  const { store } = await open(t)
  const { admin } = store
  for (const name of ['dora', 'fay']) await admin.setInvited(name, true)
  await Promise.all([
    ...['emil', 'gus'].map((name) => admin.setInvited(name, true)),
    admin.setRegistration({ open: true }),
    store.createUser({ username: 'dora', key: 'K' }),
    adminByName(store).renameUser('ann', 'anna'),
    byName(store).deleteUser('carl'),
    admin.setInvited('fay', false),
  ])
  await store.close()
  const { open: isOpen, invited, removed = [] } = await store.getRegistration()
  t.same(
    { isOpen, invited: invited.toSorted(), removed: removed.toSorted() },
    { isOpen: true, invited: ['emil', 'gus'], removed: ['ann', 'carl'] },
  )
})

t.test('accounts that become operators at once are all in the list of operators', async (t) => {
  const { dir, store } = await open(t)
  const { admin } = store
  await Promise.all(['ann', 'carl'].map(async (name) => admin.setAdmin(await accountOf(store, name), true)))
  const { operators } = JSON.parse(await readFile(join(dir, '.console', 'operators.json'), 'utf8')) as {
    operators: string[]
  }
  t.same(operators.toSorted(), ['ann', 'carl'])
})

t.test('a stop and a repair of the top wait for the changes in progress', async (t) => {
  const { disk, store } = await open(t)
  // Loads its modules.
  await store.admin.repair('')
  for (const end of [() => store.admin.repair(''), () => store.close()]) {
    const ended: string[] = []
    const change = () => adminByName(store).setDisabled('ann', true)
    const { release, result } = await hang(disk, 'sync', /\/ann\/\.tmp-/, change)
    const changed = result.then(() => ended.push('change'))
    const last = end().then(() => ended.push('end'))
    await untilIdle(t)
    release()
    await Promise.all([changed, last])
    t.same(ended, ['change', 'end'])
  }
})

t.test('the next account of a name has the whole quota', async (t) => {
  const { store } = await open(t, t.testdir({}), { quota: { documents: 1, bytes: 0 } })
  await byName(store).putProgress('ann', pushed)
  await t.rejects(byName(store).putProgress('ann', { ...pushed, document: 'other' }), { code: 'QUOTA_REACHED' })
  await byName(store).deleteUser('ann')
  await store.createUser({ username: 'ann', key: 'K' })
  t.match(await byName(store).putProgress('ann', { ...pushed, document: 'other' }), { document: 'other' })
})
