import { cp, readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Progress } from '../../../src/kosync/protocol.ts'
import { FileStore, type FileStoreOptions } from '../../../src/store/file-store/file-store.ts'
import { removeTemps } from '../../../src/control/remove-temps.ts'
import { pushed } from '../contract.ts'
import { faultyDisk, type FaultyDisk } from './faulty-disk.ts'
import { isLogEmpty } from './wal/log-is-empty.ts'
import { removeFoldersLast } from '../../folders-last.ts'
import { accountOf, adminByName, byName } from '../by-name.ts'
import { runAhead } from '../../run-ahead.ts'
import { hasNoTemps } from '../../has-no-temps.ts'
import { until } from '../../until.ts'

removeFoldersLast(t)

interface Opened {
  dir: string
  disk: FaultyDisk
  store: FileStore
  damage: unknown[]
}

async function open(t: Test, options: Partial<FileStoreOptions> = {}): Promise<Opened> {
  const dir = join(t.testdir({ state: {} }), 'state')
  const disk = faultyDisk(t)
  const damage: unknown[] = []
  const store = await FileStore.open({ dir, history: true, onDamage: (error) => damage.push(error), ...options })
  t.teardown(async () => {
    disk.mend()
    await store.close()
  })
  await store.createUser({ username: 'ann', key: 'K' })
  await byName(store).putProgress('ann', { ...pushed, progress: 'old' })
  await store.admin.flush()
  return { dir, disk, store, damage }
}

const readRecord = async (dir: string): Promise<Progress> =>
  JSON.parse(await readFile(join(dir, 'ann', 'abc.json'), 'utf8')) as Progress

for (const [call, code] of [
  ['write', 'ENOSPC'],
  ['write', 'EDQUOT'],
  ['write', 'EIO'],
  ['sync', 'EIO'],
] as const) {
  t.test(`${code} at a ${call} of the log: not acknowledged, not stored, and over when the fault is`, async (t) => {
    const { dir, disk, store } = await open(t)
    disk.fail(call, /\.wal\/\d+\.log$/, code)
    for (const progress of ['a', 'b']) {
      await t.rejects(byName(store).putProgress('ann', { ...pushed, progress }), { code })
      t.match(await byName(store).getProgress('ann', 'abc'), { progress: 'old' })
    }
    t.ok((await readdir(join(dir, '.wal'))).length <= 2, 'no file for each push')
    disk.mend()
    t.match(await byName(store).putProgress('ann', { ...pushed, progress: 'new' }), { progress: 'new' })
    await store.admin.flush()
    t.match(await readRecord(dir), { progress: 'new' })
    t.match(await byName(store).listHistory('ann', 'abc'), [{ progress: 'old' }, { progress: 'new' }])
  })
}

t.test('a flush of the log that failed is not tried again on the same file', async (t) => {
  const { dir, disk, store } = await open(t)
  await byName(store).putProgress('ann', pushed)
  const current = (await readdir(join(dir, '.wal'))).at(-1)
  const path = new RegExp(`${current}$`)
  disk.fail('sync', path, 'EIO')
  // The lines that failed are taken off; that may fail too.
  disk.fail('truncate', path, 'EIO')
  await t.rejects(byName(store).putProgress('ann', pushed), { code: 'EIO' })
  const flushes = disk.count('sync', path)
  t.match(await byName(store).putProgress('ann', pushed), pushed)
  t.equal(disk.count('sync', path), flushes)
})

for (const [call, path, code] of [
  ['open', /\.log$/, 'EMFILE'],
  ['open', /\.log$/, 'EROFS'],
  ['sync', /\.wal$/, 'EIO'],
] as const) {
  t.test(
    `${code} at ${call} of a new segment: the files are written, and the pushes stay in the old one`,
    async (t) => {
      const { dir, disk, store, damage } = await open(t)
      disk.fail(call, path, code)
      t.match(await byName(store).putProgress('ann', { ...pushed, progress: 'new' }), { progress: 'new' })
      t.equal(await store.admin.flush(), false)
      t.equal(await store.admin.flush(), false)
      t.match(damage, [{ code }], 'told once')
      t.match(await byName(store).getProgress('ann', 'abc'), { progress: 'new' })
      t.match(await byName(store).putProgress('ann', { ...pushed, progress: 'more' }), { progress: 'more' })
      await until(async () => (await readRecord(dir)).progress === 'more')
      t.notOk(await isLogEmpty(dir))
      disk.mend()
      // It is tried again by itself.
      await until(() => isLogEmpty(dir))
    },
  )
}

for (const [call, what, path, code] of [
  ['open', 'the new file', /\/\.tmp-[^/]+$/, 'EACCES'],
  ['open', 'the new file', /\/\.tmp-[^/]+$/, 'EMFILE'],
  ['write', 'the new file', /\/\.tmp-[^/]+$/, 'ENOSPC'],
  ['rename', 'the new file', /\/\.tmp-[^/]+$/, 'EROFS'],
  ['open', 'the history', /\/abc\.jsonl$/, 'EACCES'],
  ['write', 'the history', /\/abc\.jsonl$/, 'ENOSPC'],
] as const) {
  t.test(`${code} at ${call} of ${what}: the file stays whole, no temp is left, no push is lost`, async (t) => {
    const { dir, disk, store, damage } = await open(t)
    disk.fail(call, path, code)
    t.match(await byName(store).putProgress('ann', { ...pushed, progress: 'new' }), { progress: 'new' })
    t.equal(await store.admin.flush(), false)
    t.match(damage, [{ code }])
    t.match(await readRecord(dir), { progress: 'old' })
    t.same((await readdir(join(dir, 'ann'))).toSorted(), ['abc.json', 'auth.json', 'history'])
    t.match(await byName(store).getProgress('ann', 'abc'), { progress: 'new' })
    if (what === 'the new file' || call === 'write') {
      const rows = [{ progress: 'old' }, { progress: 'new' }]
      t.match(await byName(store).listHistory('ann', 'abc'), rows, 'what is not written is listed, too')
      const { documents } = await store.admin.exportAccount(await accountOf(store, 'ann'))
      t.match(documents, [{ record: { progress: 'new' }, rows }])
    }
    await t.rejects(byName(store).putProgress('ann', { ...pushed, progress: 'more' }), { code })
    // Tried again, the history is made anew.
    disk.fail(call, /\/\.tmp-[^/]+$/, code)
    t.equal(await store.admin.flush(), false)
    t.equal(damage.length, 1, 'told once')
    await cp(dir, `${dir}-crashed`, { recursive: true })
    t.equal((await readdir(join(dir, '.wal'))).length, 1, 'the log does not grow')
    disk.mend()
    t.equal(await store.admin.flush(), true)
    t.match(await readRecord(dir), { progress: 'new' })
    t.match(await byName(store).listHistory('ann', 'abc'), [{ progress: 'old' }, { progress: 'new' }], 'once each')
    t.match(await byName(store).putProgress('ann', { ...pushed, progress: 'more' }), { progress: 'more' })

    const next = await FileStore.open({
      dir: `${dir}-crashed`,
      history: true,
      onDamage: (error) => t.fail(String(error)),
    })
    t.match(await byName(next).getProgress('ann', 'abc'), { progress: 'new' }, 'nor by a crash')
    t.match(await byName(next).listHistory('ann', 'abc'), [{ progress: 'old' }, { progress: 'new' }])
    await next.close()
  })
}

for (const [what, path] of [
  ['the record', /\/abc\.json$/],
  ['the folder', /\/ann$/],
  ['the history', /\/abc\.jsonl$/],
] as const) {
  t.test(`EIO at a flush of ${what}: the log stays, and the files are made anew from it`, async (t) => {
    const { dir, disk, store, damage } = await open(t)
    disk.fail('sync', path, 'EIO')
    for (const progress of ['1', '2']) await byName(store).putProgress('ann', { ...pushed, progress })
    t.equal(await store.admin.flush(), false)
    t.match(damage, [{ code: 'EIO' }])
    t.match(await readRecord(dir), { progress: '2' }, 'it can be read')
    await t.rejects(byName(store).putProgress('ann', { ...pushed, progress: '3' }), { code: 'EIO' })
    t.match(await byName(store).getProgress('ann', 'abc'), { progress: '2' })
    t.equal(await store.admin.flush(), false)
    t.equal(damage.length, 1, 'told once')
    await cp(dir, `${dir}-crashed`, { recursive: true })
    // What the failed flush left out.
    await writeFile(join(dir, 'ann', 'abc.json'), '')
    await writeFile(
      join(dir, 'ann', 'history', 'abc.jsonl'),
      `${JSON.stringify({ ...pushed, progress: 'old' })}\n{"docu`,
    )
    disk.mend()
    t.equal(await store.admin.flush(), true)
    t.ok(await isLogEmpty(dir))
    t.match(await readRecord(dir), { progress: '2' })
    const all = [{ progress: 'old' }, { progress: '1' }, { progress: '2' }]
    t.match(await byName(store).listHistory('ann', 'abc'), all, 'once each')
    t.match(await byName(store).putProgress('ann', { ...pushed, progress: '3' }), { progress: '3' })

    const onDamage = (error: unknown): void => void t.fail(String(error))
    const next = await FileStore.open({ dir: `${dir}-crashed`, history: true, onDamage })
    t.match(await byName(next).getProgress('ann', 'abc'), { progress: '2' }, 'nor by a crash')
    t.match(await byName(next).listHistory('ann', 'abc'), all)
    await next.close()
  })
}

t.test('a push after an edit whose flush failed outlives a crash', async (t) => {
  const { dir, disk, store } = await open(t)
  disk.fail('sync', /\/ann$/, 'EIO')
  await t.rejects(adminByName(store).putTitle('ann', 'abc', 'Dune'), { code: 'EIO' })
  t.match(await readRecord(dir), { title: 'Dune' }, 'the file has changed all the same')
  disk.mend()
  const release = disk.hold('open', /\/ann\/\.tmp-/)
  await byName(store).putProgress('ann', { ...pushed, progress: 'new' })
  await cp(dir, `${dir}-crashed`, { recursive: true })
  release()
  const onDamage = (error: unknown): void => void t.fail(String(error))
  const next = await FileStore.open({ dir: `${dir}-crashed`, history: true, onDamage })
  t.match(await byName(next).getProgress('ann', 'abc'), { progress: 'new', title: 'Dune' })
  await next.close()
})

t.test('a file that is written again while it is flushed is flushed again before the log goes', async (t) => {
  const { dir, disk, store } = await open(t)
  await byName(store).putProgress('ann', { ...pushed, progress: '1' })
  const before = disk.count('sync', /\/abc\.json$/)
  const release = disk.hold('sync', /\/abc\.json$/)
  const flushed = store.admin.flush()
  await until(async () => disk.count('sync', /\/abc\.json$/) > before)
  await byName(store).putProgress('ann', { ...pushed, progress: '2' })
  // Written, and not flushed.
  await byName(store).listHistory('ann', 'abc')
  release()
  t.equal(await flushed, true)
  t.match(await readRecord(dir), { progress: '2' })
  t.notOk(await isLogEmpty(dir))
  t.equal(await store.admin.flush(), true)
  t.equal(disk.count('sync', /\/abc\.json$/) - before, 2)
  t.ok(await isLogEmpty(dir))
})

t.test('a record that was edited while its flush failed stays, and its history gets what it lacks', async (t) => {
  const { dir, disk, store } = await open(t)
  disk.fail('sync', /\/abc\.json$/, 'EIO')
  await byName(store).putProgress('ann', { ...pushed, progress: '1' })
  t.equal(await store.admin.flush(), false)
  await writeFile(join(dir, 'ann', 'abc.json'), JSON.stringify({ ...pushed, progress: 'edited' }))
  await writeFile(join(dir, 'ann', 'history', 'abc.jsonl'), '')
  disk.mend()
  t.equal(await store.admin.flush(), true)
  t.match(await readRecord(dir), { progress: 'edited' })
  t.match(await byName(store).listHistory('ann', 'abc'), [{ progress: '1' }])
})

for (const [call, path, code] of [
  ['open', /\/bob\/auth\.json$/, 'EIO'],
  ['mkdir', /\/\.tmp-[^/]+$/, 'ENOSPC'],
  ['write', /\/auth\.json$/, 'ENOSPC'],
  ['sync', /\/\.tmp-[^/]+$/, 'EIO'],
  ['rename', /\/\.tmp-[^/]+$/, 'EROFS'],
] as const) {
  t.test(
    `${code} at ${call} of a new user: nobody is created, nothing is left, and it works when mended`,
    async (t) => {
      const { dir, disk, store } = await open(t)
      disk.fail(call, path, code)
      await t.rejects(store.createUser({ username: 'bob', key: 'K' }), { code })
      t.same((await readdir(dir)).toSorted(), ['.format', '.wal', 'ann'])
      disk.mend()
      t.equal(await store.createUser({ username: 'bob', key: 'K' }), true)
    },
  )
}

for (const [what, change] of [
  ['a deletion', (store) => byName(store).deleteUser('ann')],
  ['a renaming', (store) => adminByName(store).renameUser('ann', 'bob')],
] as [string, (store: FileStore) => Promise<unknown>][]) {
  t.test(`EIO at the flush of ${what}: the account is as it was, and it works when mended`, async (t) => {
    const { dir, disk, store } = await open(t)
    const [ann, names] = [await accountOf(store, 'ann'), await readdir(dir)]
    disk.fail('sync', /\/state$/, 'EIO')
    await t.rejects(change(store), { code: 'EIO' })
    t.same(
      (await readdir(dir)).filter((name) => name !== '.registration.json'),
      names,
    )
    t.match(await store.getProgress(ann, 'abc'), { progress: 'old' })
    disk.mend()
    await change(store)
    await t.rejects(async () => store.getProgress(ann, 'abc'), { code: 'STALE_ACCOUNT' })
  })
}

t.test('a registration waits for the disk twice, and not four times', async (t) => {
  const { disk, store } = await open(t)
  const before = disk.count('sync', /./)
  const release = disk.hold('sync', /auth\.json$/)
  const created = store.createUser({ username: 'bob', key: 'K' })
  // The folder is flushed while the file still is.
  await until(async () => disk.count('sync', /\.tmp-[^/]+$/) > 0)
  t.equal(disk.count('sync', /auth\.json$/), 1)
  release()
  t.equal(await created, true)
  t.equal(disk.count('sync', /./) - before, 3, 'then that it is in its place')
})

t.test('a start that can not go on leaves the log as it is', async (t) => {
  const { dir, disk, store } = await open(t)
  await store.createUser({ username: 'bob', key: 'K' })
  await Promise.all(['ann', 'bob'].map((user) => byName(store).putProgress(user, { ...pushed, progress: 'new' })))
  const crashed = `${dir}-crashed`
  await cp(dir, crashed, { recursive: true })
  await store.admin.flush()
  const timers = (): number => process.getActiveResourcesInfo().filter((what) => what === 'Timeout').length
  const before = timers()
  disk.fail('open', /crashed\/\.wal\/\d+\.log$/, 'EIO')
  const onDamage = (error: unknown): void => void t.fail(String(error))
  await t.rejects(FileStore.open({ dir: crashed, history: true, onDamage }), { code: 'EIO' })
  t.equal(timers(), before, 'nothing is going to be written')
  disk.mend()
  const next = await FileStore.open({ dir: crashed, history: true, onDamage })
  for (const user of ['ann', 'bob']) t.match(await byName(next).getProgress(user, 'abc'), { progress: 'new' })
  await next.close()
})

t.test('a push that fails is not counted in the quota', async (t) => {
  const { disk, store } = await open(t, { quota: { documents: 1, bytes: 0 } })
  disk.fail('write', /\.wal\/\d+\.log$/, 'ENOSPC')
  await t.rejects(byName(store).putProgress('ann', pushed), { code: 'ENOSPC' })
  disk.mend()
  t.match(await byName(store).putProgress('ann', pushed), pushed)
  await t.rejects(byName(store).putProgress('ann', { ...pushed, document: 'second' }), { code: 'QUOTA_REACHED' })
})

t.test('a store tells that it cannot take a push, until the disk can, which it tries by itself', async (t) => {
  let now = 0
  const { dir, disk, store } = await open(t, { now: () => now })
  t.equal(store.stats.failure(), undefined)
  disk.fail('write', /\.wal\/\d+\.log$|\.tmp-/, 'ENOSPC')
  await t.rejects(byName(store).putProgress('ann', pushed), { code: 'ENOSPC' })
  t.match(store.stats.failure(), { code: 'ENOSPC' })
  await until(() => disk.count('rm', /\.tmp-/) === 1)
  t.match(store.stats.failure(), { code: 'ENOSPC' }, 'the disk was tried, and is full')
  disk.mend()
  t.match(store.stats.failure(), { code: 'ENOSPC' }, 'it is not tried again at once')
  now += 2000
  await until(() => store.stats.failure() === undefined)
  // What it was tried with is removed behind the answer.
  await until(() => hasNoTemps(dir))
  t.match(await byName(store).putProgress('ann', pushed), pushed)
})

t.test('a push that is stored ends the failure, and a try that cannot be removed does no harm', async (t) => {
  const { disk, store } = await open(t, { now: () => 0 })
  disk.fail('write', /\.wal\/\d+\.log$/, 'EIO')
  await t.rejects(byName(store).putProgress('ann', pushed), { code: 'EIO' })
  disk.mend()
  t.match(await byName(store).putProgress('ann', pushed), pushed)
  t.equal(store.stats.failure(), undefined)
  disk.fail('write', /\.wal\/\d+\.log$/, 'EIO')
  await t.rejects(byName(store).putProgress('ann', { ...pushed, progress: 'x' }), { code: 'EIO' })
  disk.fail('rm', /\.tmp-/, 'EIO')
  await until(() => store.stats.failure() === undefined)
})

t.test('more than the log may hold waits for the files, and is refused when they cannot be written', async (t) => {
  const { disk, store } = await open(t, { logMaxBytes: 100_000 })
  const pushAll = (progress: string) =>
    Promise.allSettled(
      Array.from({ length: 1000 }, (_, number) =>
        byName(store).putProgress('ann', { ...pushed, document: `${progress}-${number}`, progress }),
      ),
    )
  for (const progress of ['a', 'b']) {
    t.ok((await pushAll(progress)).every(({ status }) => status === 'fulfilled'))
  }
  t.equal(await store.admin.flush(), true)
  disk.fail('sync', /\/ann$/, 'EIO')
  await pushAll('c')
  const refused = await pushAll('d')
  t.match(
    refused.find(({ status }) => status === 'rejected'),
    { reason: { code: 'EIO' } },
  )
  t.match(store.stats.failure(), { code: 'EIO' })
  disk.mend()
  t.equal(await store.admin.flush(), true)
  t.equal(store.stats.failure(), undefined)
  t.match(await byName(store).putProgress('ann', pushed), pushed)
})

t.test('a folder that cannot be flushed keeps nobody else from pushing, and loses nothing', async (t) => {
  const { dir, disk, store } = await open(t, { checkpointBytes: 20_000, logMaxBytes: 50_000 })
  await store.createUser({ username: 'bob', key: 'K' })
  disk.fail('sync', /\/ann$/, 'EIO')
  for (const progress of ['1', '2']) await byName(store).putProgress('ann', { ...pushed, progress })
  const bob = await accountOf(store, 'bob')
  const hundred = Array.from({ length: 100 }, (_, number) => `${number}`)
  for (const tens of hundred.slice(0, 10)) {
    await Promise.all(hundred.map((number) => store.putProgress(bob, { ...pushed, progress: tens + number })))
  }
  t.equal(await store.admin.flush(), false)
  await t.rejects(byName(store).putProgress('ann', { ...pushed, progress: '3' }), { code: 'EIO' })
  const crashed = `${dir}-crashed`
  await cp(dir, crashed, { recursive: true })
  for (const file of ['ann/abc.json', 'ann/history/abc.jsonl']) await writeFile(join(crashed, file), '')
  disk.mend()
  t.equal(await store.admin.flush(), true)
  t.ok(await isLogEmpty(dir))
  for (const each of [dir, crashed]) {
    if (each === dir) await store.close()
    const next = await FileStore.open({ dir: each, history: true, onDamage: (error) => t.fail(String(error)) })
    t.match(await byName(next).getProgress('ann', 'abc'), { progress: '2' })
    const rows = await byName(next).listHistory('ann', 'abc')
    t.match(
      rows.map(({ progress }) => progress),
      each === dir ? ['old', '1', '2'] : ['1', '2'],
    )
    t.match(await byName(next).getProgress('bob', 'abc'), { progress: '999' })
    t.equal((await byName(next).listHistory('bob', 'abc')).length, 1000)
    await next.close()
  }
})

t.test('temps and folders that go while temps are removed do no harm', async (t) => {
  const { dir, disk } = await open(t)
  await writeFile(join(dir, '.tmp-live'), '')
  await writeFile(join(dir, '.tmp-old'), '')
  disk.fail('stat', /\.tmp-live$/, 'ENOENT')
  await removeTemps(dir, Date.now() + 60_000)
  t.same((await readdir(dir)).toSorted(), ['.format', '.tmp-live', '.wal', 'ann'])
})

t.test('a temp of a crash that cannot be removed is told, and keeps nothing from its start', async (t) => {
  const { dir, disk, store } = await open(t)
  await byName(store).putProgress('ann', { ...pushed, progress: 'new' })
  const crashed = `${dir}-crashed`
  await cp(dir, crashed, { recursive: true })
  await writeFile(join(crashed, 'ann', '.tmp-old'), '')
  disk.fail('rm', /\.tmp-old$/, 'EIO')
  const damage: unknown[] = []
  const next = await FileStore.open({ dir: crashed, history: true, onDamage: (error) => damage.push(error) })
  t.match(damage, [{ code: 'EIO' }])
  t.match(await byName(next).getProgress('ann', 'abc'), { progress: 'new' })
  await next.close()
})

t.test('pushes are kept when the disk can not even say whether their folder is there', async (t) => {
  const { disk, store } = await open(t)
  for (const [call, path] of [
    ['rename', /\/\.tmp-[^/]+$/],
    ['stat', /\/ann$/],
  ] as const)
    disk.fail(call, path, 'EIO')
  await byName(store).putProgress('ann', { ...pushed, progress: 'new' })
  t.equal(await store.admin.flush(), false)
  disk.mend()
  t.equal(await store.admin.flush(), true)
  t.match(await byName(store).listHistory('ann', 'abc'), [{ progress: 'old' }, { progress: 'new' }])
})

t.test('a push is served while its file is old, however long the disk takes', async (t) => {
  const { dir, disk, store } = await open(t)
  const pass = runAhead(t)
  const release = disk.hold('rename', /\/ann\/\.tmp-/)
  await byName(store).putProgress('ann', { ...pushed, progress: 'new' })
  pass(2000)
  t.match(await readRecord(dir), { progress: 'old' })
  t.match(await byName(store).getProgress('ann', 'abc'), { progress: 'new' })
  release()
  await store.admin.flush()
  t.match(await readRecord(dir), { progress: 'new' })
  t.match(await byName(store).getProgress('ann', 'abc'), { progress: 'new' })
})

t.test('a disk that hangs holds up so many pushes and no more, and is told of as not ready', async (t) => {
  const { disk, store } = await open(t)
  const ann = await accountOf(store, 'ann')
  const release = disk.hold('sync', /\.log$/)
  const pushes = Array.from({ length: 5000 }, (_, number) =>
    store.putProgress(ann, { ...pushed, progress: `${number}` }),
  )
  const refused = { code: 'STORE_UNAVAILABLE', message: /state holds up 5000 pushes/ }
  t.match(store.stats.failure(), refused)
  await t.rejects(store.putProgress(ann, pushed), refused)
  release()
  await Promise.all(pushes)
  t.equal(store.stats.failure(), undefined)
  t.match(await store.putProgress(ann, { ...pushed, progress: 'newest' }), { progress: 'newest' })
})

t.test('a key that can not be replaced stays', async (t) => {
  const { disk, store } = await open(t)
  disk.fail('sync', /\/\.tmp-[^/]+$/, 'EIO')
  await t.rejects(byName(store).setKey('ann', 'L'), { code: 'EIO' })
  t.match(await store.getUser('ann'), { key: 'K' })
})

t.test('a log that can not be begun at the start: positions are read, pushes wait for a log', async (t) => {
  const { dir, disk, store } = await open(t)
  await store.close()
  const damage: unknown[] = []
  disk.fail('open', /\.log$/, 'ENOSPC')
  const next = await FileStore.open({ dir, history: true, preallocate: true, onDamage: (error) => damage.push(error) })
  t.match(damage, [{ code: 'ENOSPC' }])
  t.match(await byName(next).getProgress('ann', 'abc'), { progress: 'old' })
  await t.rejects(byName(next).putProgress('ann', pushed), { code: 'ENOSPC' })
  disk.mend()
  t.match(await byName(next).putProgress('ann', pushed), pushed)
  await next.close()
})

t.test('a log that can not be flushed at the start is told, and served', async (t) => {
  const { dir, disk, store } = await open(t)
  await byName(store).putProgress('ann', { ...pushed, progress: 'new' })
  const damage: unknown[] = []
  disk.fail('sync', /\.log$/, 'EIO')
  // The first one is left to itself, as after a crash.
  const next = await FileStore.open({ dir, history: true, onDamage: (error) => damage.push(error) })
  t.match(damage, [{ code: 'EIO' }])
  t.match(await byName(next).getProgress('ann', 'abc'), { progress: 'new' })
  await next.close()
})

t.test('a folder that the disk can not even look at keeps nobody else from the start', async (t) => {
  const { dir, disk, store } = await open(t)
  await store.createUser({ username: 'bob', key: 'K' })
  for (const user of ['ann', 'bob']) await byName(store).putProgress(user, { ...pushed, progress: 'new' })
  const damage: unknown[] = []
  disk.fail('lstat', /\/ann$/, 'EIO')
  const next = await FileStore.open({ dir, history: true, onDamage: (error) => damage.push(error) })
  t.match(damage[0], { code: 'EIO', message: /lstat/ })
  t.match(await byName(next).getProgress('bob', 'abc'), { progress: 'new' })
  disk.mend()
  t.match(await byName(next).getProgress('ann', 'abc'), { progress: 'new' })
  await next.close()
})

t.test('a record that can not be read at the start is served from the log', async (t) => {
  const { dir, disk, store } = await open(t)
  await byName(store).putProgress('ann', { ...pushed, progress: 'new' })
  const damage: unknown[] = []
  disk.fail('open', /abc\.json$/, 'EIO')
  // The first one is left to itself, as after a crash.
  const next = await FileStore.open({ dir, history: true, onDamage: (error) => damage.push(error) })
  t.match(damage, [{ code: 'EIO' }])
  t.match(await byName(next).getProgress('ann', 'abc'), { progress: 'new' })
  await next.close()
})

for (const code of ['EIO', 'EACCES', 'EMFILE']) {
  t.test(`${code} at a read is an error, never an absent user or record`, async (t) => {
    const pass = runAhead(t)
    const { disk, store } = await open(t)
    pass(1000)
    disk.fail('open', /\.json$/, code)
    await t.rejects((async () => byName(store).getProgress('ann', 'other'))(), { code })
    await t.rejects((async () => store.getUser('bob'))(), { code })
    t.match(await byName(store).getProgress('ann', 'abc'), { progress: 'old' }, 'what is known is served')
    disk.mend()
    t.equal(await byName(store).getProgress('ann', 'other'), undefined)
  })
}

for (const [call, name] of [
  ['rename', /\.tmp-/],
  ['link', /abc\.json$/],
] as const) {
  t.test(`a damaged record keeps its name until the good one takes it, also when a ${call} fails`, async (t) => {
    const { dir, disk, store, damage } = await open(t)
    const path = join(dir, 'ann', 'abc.json')
    await store.close()
    await writeFile(path, '{')
    await utimes(path, 1000, 1000)
    const again = await FileStore.open({ dir, history: true, onDamage: (error) => damage.push(error) })
    t.teardown(() => again.close())
    disk.fail(call, name, 'EIO')
    t.match(await byName(again).getProgress('ann', 'abc'), { progress: 'old' })
    t.equal(await readFile(path, 'utf8'), '{')
    t.match(damage, [{ code: 'DAMAGED_FILE' }, { code: 'EIO' }])
  })
}

t.test('a damaged record is set aside where there are no hard links', async (t) => {
  const { dir, disk, store } = await open(t)
  await store.close()
  await writeFile(join(dir, 'ann', 'abc.json'), '{')
  await utimes(join(dir, 'ann', 'abc.json'), 1000, 1000)
  const again = await FileStore.open({ dir, history: true, onDamage: () => undefined })
  t.teardown(() => again.close())
  disk.fail('link', /abc\.json$/, 'EPERM')
  t.match(await byName(again).getProgress('ann', 'abc'), { progress: 'old' })
  t.match(await readRecord(dir), { progress: 'old' })
  const aside = (await readdir(join(dir, 'ann'))).find((name) => name.startsWith('abc.json.corrupt-')) ?? ''
  t.equal(await readFile(join(dir, 'ann', aside), 'utf8'), '{')
})
