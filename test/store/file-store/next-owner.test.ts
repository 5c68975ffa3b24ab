import { cp, readdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { FileStore } from '../../../src/store/file-store/file-store.ts'
import { removeFoldersLast } from '../../folders-last.ts'
import { until } from '../../until.ts'
import { accountOf } from '../by-name.ts'
import { pushed } from '../contract.ts'
import { faultyDisk, type FaultyDisk } from './faulty-disk.ts'

removeFoldersLast(t)

const secret = { ...pushed, progress: 'secret', metadata: { filename: 'secret.epub' } }
const file = /ann\/abc\.json$/

interface Opened {
  dir: string
  disk: FaultyDisk
  store: FileStore
}

async function open(t: Test, dir: string): Promise<Opened> {
  const disk = faultyDisk(t)
  const store = await FileStore.open({ dir, history: true, onDamage: (error) => t.fail(String(error)) })
  t.teardown(() => store.close())
  return { dir, disk, store }
}

/** With ann, who has a position that is in no cache. */
async function openWithSecret(t: Test): Promise<Opened> {
  const dir = t.testdir({})
  const store = await FileStore.open({ dir, history: true, onDamage: (error) => t.fail(String(error)) })
  await store.createUser({ username: 'ann', key: 'K' })
  await store.putProgress(await accountOf(store, 'ann'), secret)
  await store.close()
  return await open(t, dir)
}

/** Has ann deleted and registered anew while her position is being read; returns what ends that read. */
async function replaceOwner({ disk, store }: Opened): Promise<() => Promise<unknown>> {
  const ann = await accountOf(store, 'ann')
  const release = disk.hold('readFile', file)
  const read = store.getProgress(ann, 'abc')
  await until(() => disk.count('readFile', file) === 1)
  await store.deleteUser(ann)
  await store.createUser({ username: 'ann', key: 'L' })
  return async () => {
    release()
    return await read
  }
}

t.test('who registers a name anew is not given what is being read for the owner before', async (t) => {
  const opened = await openWithSecret(t)
  const end = await replaceOwner(opened)
  const { store } = opened
  t.equal(await store.getProgress(await accountOf(store, 'ann'), 'abc'), undefined)
  await end()
  t.equal(await store.getProgress(await accountOf(store, 'ann'), 'abc'), undefined)
})

t.test('a push of who registers a name anew has nothing of the owner before', async (t) => {
  const opened = await openWithSecret(t)
  const end = await replaceOwner(opened)
  const { dir, store } = opened
  await store.putProgress(await accountOf(store, 'ann'), { ...pushed, progress: 'mine' })
  await end()
  await store.admin.flush()
  t.notMatch(await readFile(join(dir, 'ann/abc.json'), 'utf8'), 'secret')
})

t.test('a registration that fails ends only when nothing of the owner before can be written any more', async (t) => {
  const { dir, disk, store } = await open(t, t.testdir({}))
  await store.createUser({ username: 'ann', key: 'K' })
  const ann = await accountOf(store, 'ann')
  const temp = /ann\/\.tmp-[^/]+$/
  const release = disk.hold('open', temp)
  await store.putProgress(ann, secret)
  await until(() => disk.count('open', temp) > 0)
  await store.deleteUser(ann)
  disk.fail('write', /auth\.json$/, 'ENOSPC')
  const ended: string[] = []
  const failed = t
    .rejects(store.createUser({ username: 'ann', key: 'L' }), { code: 'ENOSPC' })
    .then(() => ended.push('it'))
  await until(() => disk.count('write', /auth\.json$/) > 1)
  t.same(ended, [])
  disk.mend()
  release()
  await failed
  t.equal(await store.createUser({ username: 'ann', key: 'M' }), true)
  t.equal(await store.getProgress(await accountOf(store, 'ann'), 'abc'), undefined)
  await t.rejects(readFile(join(dir, 'ann/abc.json')), { code: 'ENOENT' })
})

t.test(
  'a registration fails when the pushes of the owner before cannot be dropped, and the next one does it',
  async (t) => {
    const { disk, store } = await open(t, t.testdir({}))
    await store.createUser({ username: 'ann', key: 'K' })
    const ann = await accountOf(store, 'ann')
    await store.putProgress(ann, secret)
    await store.deleteUser(ann)
    disk.fail('write', /\.wal\/\d+\.log$/, 'EIO')
    await t.rejects(store.createUser({ username: 'ann', key: 'L' }), { code: 'EIO' })
    t.equal(await store.getUser('ann'), undefined)
    disk.mend()
    t.equal(await store.createUser({ username: 'ann', key: 'M' }), true)
    t.equal(await store.getProgress(await accountOf(store, 'ann'), 'abc'), undefined)
  },
)

t.test('the owner before is not shown the history of who has the name now', async (t) => {
  const opened = await openWithSecret(t)
  const { disk, store } = opened
  const ann = await accountOf(store, 'ann')
  const history = /ann\/history\/abc\.jsonl$/
  const release = disk.hold('open', history)
  const read = store.listHistory(ann, 'abc')
  await until(() => disk.count('open', history) === 1)
  await store.deleteUser(ann)
  await store.createUser({ username: 'ann', key: 'L' })
  await store.putProgress(await accountOf(store, 'ann'), { ...pushed, progress: 'mine' })
  release()
  await t.rejects(read, { code: 'STALE_ACCOUNT' })
})

t.test('alice gets nothing of a deleted Alice where case folds, also after a crash', async (t) => {
  const Alice = { 'auth.json': '{"x-auth-user": "Alice", "x-auth-key": "K"}' }
  const [dir, crashed] = ['data', 'crashed'].map((name) => join(t.testdirName, name)) as [string, string]
  t.testdir({ data: { Alice } })
  const { store } = await open(t, dir)
  const alice = await accountOf(store, 'Alice')
  await store.putProgress(alice, secret)
  await store.deleteUser(alice)
  await store.createUser({ username: 'alice', key: 'L' })
  await cp(dir, crashed, { recursive: true })
  // There the folder has both names.
  await rename(join(crashed, 'alice'), join(crashed, 'Alice'))
  const { store: next } = await open(t, crashed)
  await next.admin.flush()
  t.same(await readdir(join(crashed, 'Alice')), ['auth.json'])
})
