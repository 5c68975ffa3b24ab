import { cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Progress } from '../../../../src/kosync/protocol.ts'
import { FileStore, type FileStoreOptions } from '../../../../src/store/file-store/file-store.ts'
import { formatRecord, sumOf, type StoredRecord } from '../../../../src/store/file-store/files/read-record.ts'
import { FileCache } from '../../../../src/store/file-store/file-cache.ts'
import { OpenedFolder } from '../../../../src/store/file-store/opened-folder.ts'
import { Checkpoint } from '../../../../src/store/file-store/wal/checkpoint.ts'
import { WriteAheadLog } from '../../../../src/store/file-store/wal/log.ts'
import { Memtable } from '../../../../src/store/file-store/wal/memtable.ts'
import { recoverDocument } from '../../../../src/store/file-store/wal/recovery.ts'
import { adminByName, byName } from '../../by-name.ts'
import { pushed } from '../../contract.ts'
import { removeFoldersLast } from '../../../folders-last.ts'
import { runAhead } from '../../../run-ahead.ts'
import { until } from '../../../until.ts'
import { faultyDisk, type FaultyDisk } from '../faulty-disk.ts'
import { journalLine } from './journal-lines.ts'
import { isLogEmpty } from './log-is-empty.ts'
import { pushRecord, segment } from './log-lines.ts'

removeFoldersLast(t)

interface Opened {
  dir: string
  disk: FaultyDisk
  store: FileStore
  put: (username: string, progress: string, more?: Partial<Progress>) => Promise<Progress>
}

const onDamage = (): void => undefined

async function open(t: Test, options: Partial<FileStoreOptions> = {}): Promise<Opened> {
  const dir = join(t.testdir({ state: {} }), 'state')
  const disk = faultyDisk(t)
  const store = await FileStore.open({ dir, history: true, onDamage, ...options })
  t.teardown(async () => {
    disk.mend()
    await store.close()
  })
  const put = (username: string, progress: string, more: Partial<Progress> = {}): Promise<Progress> =>
    Promise.resolve(byName(store).putProgress(username, { ...pushed, progress, ...more }))
  for (const username of ['ann', 'bob']) {
    await store.createUser({ username, key: 'K' })
    await put(username, 'old')
  }
  await store.admin.flush()
  return { dir, disk, store, put }
}

const abc = (username: string): RegExp => new RegExp(`/${username}/abc\\.json$`)
const historyOfAnn = /\/ann\/history\/abc\.jsonl$/
const auth = JSON.stringify({ 'x-auth-user': 'ann', 'x-auth-key': 'K' })

/** As KOReader pushes. */
const real = (progress: string, timestamp: number): Progress => ({
  document: 'abc',
  percentage: 0.5,
  progress,
  device: 'kpw',
  device_id: 'X',
  timestamp,
})

const at = (progress: string, timestamp: number): Progress => ({ ...pushed, progress, timestamp })

/** A segment with a push of the document after another position. */
const logged = (before: Progress, push: Progress): string => {
  const [one, other] = [before, push].map((record) => sumOf(formatRecord(record)))
  return segment(1, pushRecord('ann/abc.json', JSON.stringify(push), true, { before: one, after: other }))
}

const readLogOf = async (dir: string): Promise<string> => {
  const names = await readdir(join(dir, '.wal'))
  const texts = await Promise.all(names.map((name) => readFile(join(dir, '.wal', name), 'utf8')))
  return texts.join('')
}

const progressOf = async (store: FileStore, username = 'ann'): Promise<string[]> =>
  (await byName(store).listHistory(username, 'abc')).map(({ progress }) => progress)

t.test('a start after a start that was killed knows its own files, and flushes them before the log goes', async (t) => {
  const { dir, store } = await open(t)
  for (const progress of ['1', '2']) await byName(store).putProgress('ann', real(progress, 2000))
  await byName(store).listHistory('ann', 'abc')
  const after = [...(await readLogOf(dir)).matchAll(/"after":"(\w+)"/g)].at(-1)![1]
  const c1 = `${dir}-c1`
  await cp(dir, c1, { recursive: true })
  const d2 = faultyDisk(t)
  // first recovery: first checkpoint hangs after files are written
  const release = d2.hold('sync', /c1\/ann\/abc\.json$/)
  const one = await FileStore.open({ dir: c1, history: true, onDamage })
  await until(async () => d2.count('sync', /c1\/ann\/abc\.json$/) > 0)
  const text = await readFile(join(c1, 'ann', 'abc.json'), 'utf8')
  t.equal(sumOf(text), after, 'text of the recovered file is in the chain')
  const c2 = `${dir}-c2`
  await cp(c1, c2, { recursive: true })
  release()
  await one.close()
  const two = await FileStore.open({ dir: c2, history: true, onDamage })
  await until(() => isLogEmpty(c2))
  t.ok(d2.count('sync', /c2\/ann\/abc\.json$/) > 0, 'flushed before the log went')
  await two.close()
})

t.test(
  'a file that is written by a later round, after the flush of a checkpoint, is flushed before the log goes',
  async (t) => {
    const { dir, disk, store, put } = await open(t)
    await put('bob', '1')
    await put('ann', '1')
    disk.fail('rename', /\/ann\/\.tmp-/, 'ENOSPC')
    const before = disk.count('sync', abc('ann'))
    const b2 = disk.count('sync', abc('bob'))
    const release = disk.hold('sync', abc('bob'))
    const flushed = store.admin.flush()
    await until(async () => disk.count('sync', abc('bob')) > b2)
    disk.mend()
    await byName(store).listHistory('ann', 'abc') // a round with retries; the alarm does the same after 1 s
    release()
    t.equal(await flushed, true)
    t.notOk((await isLogEmpty(dir)) && disk.count('sync', abc('ann')) === before, 'log empty and ann never flushed')
  },
)

t.test('what is made anew from the log does not get into the next account of the name', async (t) => {
  const { dir, disk, store, put } = await open(t)
  await put('ann', 'secret')
  disk.fail('sync', abc('ann'), 'EIO')
  t.equal(await store.admin.flush(), false)
  disk.mend()
  await put('bob', '1')
  const r0 = disk.count('rename', /\/bob\/\.tmp-/)
  const relRound = disk.hold('rename', /\/bob\/\.tmp-/)
  const listed = byName(store).listHistory('bob', 'abc')
  await until(async () => disk.count('rename', /\/bob\/\.tmp-/) > r0)
  const o0 = disk.count('readFile', /\.wal\/\d+\.log$/)
  const relLog = disk.hold('readFile', /\.wal\/\d+\.log$/)
  const flushed = store.admin.flush()
  await until(async () => disk.count('readFile', /\.wal\/\d+\.log$/) > o0)
  await byName(store).deleteUser('ann')
  const created = store.createUser({ username: 'ann', key: 'K2' })
  relLog()
  t.equal(await created, true)
  relRound()
  await listed
  await flushed
  await store.admin.flush()
  t.equal(await byName(store).getProgress('ann', 'abc'), undefined, 'a new account has nothing')
  t.same(await readdir(join(dir, 'ann')), ['auth.json'])
})

t.test('what the journal of kss 0.1 held is made anew too when its flush failed', async (t) => {
  const disk = faultyDisk(t)
  const entry = JSON.stringify({ folder: 'ann', file: 'abc.json', push: { ...pushed, progress: 'new' } })
  const dir = t.testdir({
    '.format': '{"format":1}',
    '.journal': { '0000000001.log': journalLine(entry) },
    ann: { 'auth.json': auth },
  })
  disk.fail('sync', abc('ann'), 'EIO')
  const store = await FileStore.open({ dir, history: true, onDamage })
  t.equal(await store.admin.flush(), false)
  t.match(await byName(store).getProgress('ann', 'abc'), { progress: 'new' })
  // What the failed flush left out.
  await writeFile(join(dir, 'ann', 'abc.json'), '')
  disk.mend()
  t.equal(await store.admin.flush(), true)
  t.match(await readFile(join(dir, 'ann', 'abc.json'), 'utf8'), /new/, 'made anew')
  await store.close()
})

t.test('a segment that cannot be recycled does not fill the log for ever', async (t) => {
  const { disk, store, put } = await open(t, { logMaxBytes: 3000, preallocate: true, segmentBytes: 4096 })
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 6; i++) await put('ann', `${round}-${i}`)
    disk.fail('rename', /\.wal\/\d+\.log$/, 'EIO')
    t.equal(await store.admin.flush(), false)
    disk.mend()
    t.equal(await store.admin.flush(), true)
  }
  for (let number = 0; number < 12; number++) t.match(await put('ann', `more${number}`), { progress: `more${number}` })
})

t.test('a history that got what it lacked for an edited record gets nothing twice after another crash', async (t) => {
  const [p0, p1, edited, p2] = [at('0', 1), at('1', 10), at('edited', 20), at('2', 30)]
  const dir = t.testdir({
    '.format': '{"format":2}',
    '.wal': { '0000000001.log': logged(p0, p1) },
    ann: {
      'auth.json': auth,
      'abc.json': formatRecord(edited),
      history: { 'abc.jsonl': `${JSON.stringify(p0)}\n${JSON.stringify(edited)}\n` },
    },
  })
  const disk = faultyDisk(t)
  disk.fail('rm', /\.wal/, 'EIO')
  disk.fail('rename', /\.wal\/\d/, 'EIO')
  const store = await FileStore.open({ dir, history: true, onDamage })
  t.match(await byName(store).getProgress('ann', 'abc'), { progress: 'edited' })
  await byName(store).putProgress('ann', p2)
  t.same(await progressOf(store), ['0', '1', 'edited', '2'])
  await cp(dir, `${dir}-c`, { recursive: true })
  disk.mend()
  await store.close()
  const next = await FileStore.open({ dir: `${dir}-c`, history: true, onDamage })
  t.same(await progressOf(next), ['0', '1', 'edited', '2'])
  await next.close()
})

t.test('after each flush that fails the file is written anew', async (t) => {
  const { disk, store } = await open(t)
  await byName(store).putProgress('ann', real('1', 2000))
  await byName(store).putProgress('ann', real('2', 2001))
  disk.fail('sync', abc('ann'), 'EIO')
  t.equal(await store.admin.flush(), false)
  const renames = (): number => disk.count('rename', /\/ann\/\.tmp-/)
  let n = renames()
  t.equal(await store.admin.flush(), false)
  t.equal(renames() - n, 1, 'anew after the first')
  n = renames()
  disk.mend()
  t.equal(await store.admin.flush(), true)
  t.equal(renames() - n, 1, 'anew after the second')
})

t.test('a push that was written and not flushed is not kept by the next one alone', async (t) => {
  const { dir, disk, store, put } = await open(t)
  await put('bob', '1')
  await put('ann', '1')
  disk.fail('rename', /\/ann\/\.tmp-/, 'ENOSPC')
  const b2 = disk.count('sync', abc('bob'))
  const flushes = disk.count('sync', historyOfAnn)
  const release = disk.hold('sync', abc('bob'))
  const flushed = store.admin.flush()
  await until(async () => disk.count('sync', abc('bob')) > b2)
  disk.mend()
  await byName(store).listHistory('ann', 'abc')
  await put('ann', '2')
  disk.fail('rename', /\/ann\/\.tmp-/, 'ENOSPC')
  await byName(store).listHistory('ann', 'abc')
  release()
  t.equal(await flushed, false)
  t.ok(disk.count('sync', historyOfAnn) > flushes, 'it is flushed')
  t.match(await readLogOf(dir), /"kind":"push","folder":"ann".*"progress":"1"/, 'and its segment stays')
  disk.mend()
})

t.test('an edited record whose history cannot be written at the start keeps the log', async (t) => {
  const [p0, p1, edited] = [at('0', 1), at('1', 10), at('edited', 20)]
  const dir = t.testdir({
    '.format': '{"format":2}',
    '.wal': { '0000000001.log': logged(p0, p1) },
    ann: { 'auth.json': auth, 'abc.json': formatRecord(edited) },
  })
  const disk = faultyDisk(t)
  disk.fail('write', /\/ann\/history\//, 'ENOSPC')
  const store = await FileStore.open({ dir, history: true, onDamage })
  await store.admin.flush()
  disk.mend()
  await store.close()
  const next = await FileStore.open({ dir, history: true, onDamage })
  t.same(await progressOf(next), ['1'])
  await next.close()
})

t.test('a record of the log counts after a push of the journal', async (t) => {
  const [p0, p1] = [real('0', 1), real('1', 10)]
  const base = { folder: 'ann', file: 'abc.json', time: 0, kind: 'push' as const }
  const got = recoverDocument(
    {
      folder: 'ann',
      file: 'abc.json',
      pushes: [
        { ...base, push: p0 },
        { ...base, push: p1, record: { ...p1, title: 'T' }, before: 'x', after: 'y' },
      ],
    },
    undefined,
    'ann/abc.json',
  )
  t.match(got.record, { title: 'T' })
})

t.test('the files of an edited record are flushed before the log goes', async (t) => {
  const { dir, store, put } = await open(t)
  await put('ann', '1')
  await byName(store).listHistory('ann', 'abc')
  await writeFile(join(dir, 'ann', 'abc.json'), formatRecord({ ...pushed, progress: 'edited' }))
  const c = `${dir}-c19`
  await cp(dir, c, { recursive: true })
  const disk = faultyDisk(t)
  const next = await FileStore.open({ dir: c, history: true, onDamage })
  await until(() => isLogEmpty(c))
  t.ok(disk.count('sync', /c19\/ann\/history\/abc\.jsonl$/) > 0, 'history flushed')
  t.ok(disk.count('sync', /c19\/ann\/abc\.json$/) > 0, 'record flushed')
  await next.close()
})

t.test('a record that lacks nothing but the end of its line was torn, and not edited', async (t) => {
  const [p0, p1] = [at('0', 1), at('1', 10)]
  const files = { 'auth.json': auth, 'abc.json': JSON.stringify(p0) }
  const dir = t.testdir({ '.format': '{"format":2}', '.wal': { '0000000001.log': logged(p0, p1) }, ann: files })
  const store = await FileStore.open({ dir, history: true, onDamage })
  t.match(await byName(store).getProgress('ann', 'abc'), { progress: '1' })
  await store.close()
})

t.test(
  'pushes wait for the files while too many bytes are in none, and are refused when they cannot be written',
  async (t) => {
    const { dir, disk, store, put } = await open(t, { memtableMaxBytes: 2000 })
    const documents = Array.from({ length: 20 }, (_, number) => `${number}`)
    for (const document of documents) await put('ann', '1', { document })
    const names = await readdir(join(dir, 'ann'))
    t.ok(names.length > 10, 'the first ones are in their files')
    disk.fail('rename', /\/ann\/\.tmp-/, 'ENOSPC')
    const pushes = documents.map((document) => put('ann', '2', { document }))
    const refused = (await Promise.allSettled(pushes)).find(({ status }) => status === 'rejected')
    t.match(refused ?? (await Promise.allSettled([put('ann', '3', { document: 'x' })]))[0], {
      reason: { code: 'ENOSPC' },
    })
    t.match(store.stats.failure(), { code: 'ENOSPC' })
    disk.mend()
    t.equal(await store.admin.flush(), true)
    t.equal(store.stats.failure(), undefined)
  },
)

t.test('a record that was edited between two pushes may be any of the three after a power cut', async (t) => {
  const { dir, disk, store } = await open(t)
  await byName(store).putProgress('ann', real('1', 2000))
  await byName(store).listHistory('ann', 'abc')
  const edited = formatRecord(real('edited', 2001))
  await writeFile(join(dir, 'ann', 'abc.json'), edited)
  await until(async () => (await byName(store).getProgress('ann', 'abc'))?.progress === 'edited')
  disk.fail('rename', /\/ann\/\.tmp-/, 'ENOSPC')
  await byName(store).putProgress('ann', real('2', 2002))
  t.equal(await store.admin.flush(), false)
  t.match(await readLogOf(dir), new RegExp(`"kind":"kept".*"sums":\\[.*"${sumOf(edited)}"`))
})

t.test('a checkpoint runs when the log has grown', async (t) => {
  const { dir, put } = await open(t, { checkpointBytes: 3000 })
  for (let number = 0; number < 30; number++) await put('ann', `${number}`)
  await until(async () => (await readLogOf(dir)).length < 10_000)
  t.match(await readFile(join(dir, 'ann', 'abc.json'), 'utf8'), /"progress":"\d+"/)
})

t.test('nothing is written before the first checkpoint may begin', async (t) => {
  const state = t.testdir({ ann: {} })
  const paths = { state, log: join(state, '.wal'), journal: join(state, '.journal') }
  const log = new WriteAheadLog(paths, 0, new OpenedFolder(state, onDamage))
  const parts = {
    log,
    memtable: new Memtable(),
    files: new FileCache<StoredRecord>(() => undefined),
    history: undefined,
  }
  const checkpoint = new Checkpoint(parts, { onDamage })
  const timers = (): number => process.getActiveResourcesInfo().filter((what) => what === 'Timeout').length
  const before = timers()
  const [path, record] = [join(state, 'ann', 'abc.json'), at('1', 1)]
  checkpoint.add({ key: 'abc', path, record, sum: '', before: null, line: undefined, foreign: false })
  t.equal(timers(), before)
  await checkpoint.write()
  t.match(JSON.parse(await readFile(path, 'utf8')), record)
})

t.test(
  'an operation whose flush fails is tried again soon, as no push of the document is taken until then',
  async (t) => {
    const { disk, store, put } = await open(t)
    await put('ann', '1')
    disk.fail('sync', abc('ann'), 'EIO')
    await t.rejects(adminByName(store).putTitle('ann', 'abc', 'Dune'), { code: 'EIO' })
    await t.rejects(put('ann', '2'), { code: 'EIO' })
    disk.mend()
    const isTaken = (): Promise<boolean> =>
      put('ann', '3').then(
        () => true,
        () => false,
      )
    await until(isTaken)
    t.match(await byName(store).getProgress('ann', 'abc'), { progress: '3' })
  },
)

t.test('what cannot be written for an account that goes meanwhile is not kept', async (t) => {
  const { dir, disk, store, put } = await open(t)
  for (const username of ['bob', 'ann']) await put(username, '1')
  disk.fail('rename', /\/ann\/\.tmp-/, 'ENOSPC')
  const flushes = disk.count('sync', abc('bob'))
  const release = disk.hold('sync', abc('bob'))
  const flushed = store.admin.flush()
  await until(async () => disk.count('sync', abc('bob')) > flushes)
  await byName(store).deleteUser('ann')
  t.equal(await store.createUser({ username: 'ann', key: 'L' }), true)
  release()
  await flushed
  t.notMatch(await readLogOf(dir), /"kind":"kept"/)
  disk.mend()
  t.equal(await store.admin.flush(), true)
  t.equal(await byName(store).getProgress('ann', 'abc'), undefined)
})

t.test('a push counts from the record that was looked up, also when that was over a second ago', async (t) => {
  const pass = runAhead(t)
  const { disk, put } = await open(t)
  const flushes = disk.count('sync', /\.log$/)
  const release = disk.hold('sync', /\.log$/)
  const first = put('ann', '1')
  await until(async () => disk.count('sync', /\.log$/) > flushes)
  const second = put('bob', 'old', { timestamp: 5 })
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
  pass(1000)
  release()
  await first
  t.match(await second, { timestamp: pushed.timestamp }, 'its time does not go back')
})
