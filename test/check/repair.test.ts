import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { FileStore } from '../../src/store/file-store/file-store.ts'
import type { Finding } from '../../src/store/finding.ts'
import { moveRecord, moveRows, replaceRecord, restoreRecord } from '../../src/check/repair-document.ts'
import { repairFolder, repairLog, repairTop } from '../../src/check/repair.ts'
import { scanState } from '../../src/check/scan.ts'
import { pushed } from '../store/contract.ts'
import { auth, damages, fixed, makeLocks, makeState, push, readState, record, sorted, type Damage } from './damage.ts'
import { faultyDisk } from '../store/file-store/faulty-disk.ts'
import { pushRecord } from '../store/file-store/wal/log-lines.ts'
import { segment } from '../store/file-store/wal/log-lines.ts'
import { removeFoldersLast } from '../folders-last.ts'
import { byName } from '../store/by-name.ts'

removeFoldersLast(t)

async function open(t: Test, dir: string, options = {}): Promise<FileStore> {
  const store = await FileStore.open({ dir, history: true, onDamage: (error) => t.fail(String(error)), ...options })
  t.teardown(() => store.close())
  return store
}

/** What was done, and what is left, at the top and in each folder. */
async function repairAll(dir: string): Promise<Finding[]> {
  const done = await repairTop(dir)
  for await (const { folder } of scanState(dir)) if (folder !== '') done.push(...(await repairFolder(dir, folder)))
  return done
}

async function scanAll(dir: string): Promise<Finding[]> {
  const found: Finding[] = []
  for await (const { findings } of scanState(dir)) found.push(...findings)
  return found
}

const positions = (state: Map<string, string>): Set<string> =>
  new Set([...state.values()].flatMap((text) => text.match(/"p\d/g) ?? []))

for (const damage of [...damages.folders, ...damages.top]) {
  t.test(`mends, or leaves to a person, ${damage.what}`, (t) => testRepair(t, damage))
}

async function testRepair(t: Test, { files = {}, make, found, mended = {}, left = [] }: Damage): Promise<void> {
  const dir = await makeState(t, files)
  await make?.(dir)
  const before = await readState(dir)
  const done = (await repairAll(dir)).map((finding) => ({ ...finding, path: fixed(finding.path) }))
  for (const finding of found) {
    if (finding.repair !== undefined && !left.includes(finding.path))
      t.same(
        done.filter(({ path, problem }) => path === finding.path && problem === finding.problem),
        [finding],
      )
  }
  const state = await readState(dir)
  for (const [path, text] of Object.entries(mended)) {
    if (text instanceof RegExp) t.match(state.get(path), text, path)
    else t.same(sorted(state.get(path)), sorted(text), path)
  }
  const [old, now] = [positions(before), positions(state)]
  t.same(
    [...old].filter((position) => !now.has(position)),
    [],
    'no position is lost',
  )
  const again = await scanAll(dir)
  t.same(
    again.filter(({ repair }) => repair !== undefined),
    [],
  )
  const known = again.filter(({ path }) => !(/\.corrupt-\d+$/.test(path) && !left.includes(fixed(path))))
  t.same([...new Set(known.map(({ path }) => fixed(path)))].toSorted(), left)
  t.same(
    (await repairAll(dir)).filter(({ repair }) => repair !== undefined),
    [],
    'a second repair does nothing',
  )
  t.same(
    (await readdir(dir, { recursive: true })).filter((name) => name.includes('moved-')),
    [],
  )
}

t.test('removes the lock of a kss that is gone, not that of one that runs', async (t) => {
  const { dir } = await makeLocks(t)
  t.match(await repairTop(dir), [{ path: '.lock-1', repair: 'is removed' }])
  t.same(await readdir(dir), ['.lock-2'])
})

t.test('tells why it could not mend, and goes on', async (t) => {
  const dir = await makeState(t, { 'ann/auth.json': '{', 'ann/x.json': '{' })
  faultyDisk(t).fail('rename', /auth\.json$/, 'EIO')
  t.match(await repairFolder(dir, 'ann'), [
    { path: 'ann/x.json', repair: /^is set aside/ },
    { path: 'ann/auth.json', problem: 'is not JSON', repair: undefined, advice: 'mend it by hand: EIO: rename' },
    { path: /x\.json\.corrupt/, advice: 'remove it when you do not need it' },
  ])
  t.equal((await readState(dir)).get('ann/auth.json'), '{')
})

for (const folder of ['', '.', '..', '../x', '.journal', 'a/b']) {
  t.test(`works in no folder that is called '${folder}'`, async (t) => {
    await t.rejects(repairFolder(await makeState(t, {}), folder), { message: /is not the name of a folder/ })
  })
}

t.test('keeps a copy of a segment that is damaged, before a start drops what it cannot read', async (t) => {
  const lines = ['p7', 'p8', 'p9'].map((each) => pushRecord('ann/abc.json', record(each, 2000).trim(), true))
  const text = segment(3, ...lines).replace('p8', 'xx')
  const dir = await makeState(t, { '.wal/0000000003.log': text, '.wal/0000000004.log': segment(4, '5\n') })
  t.match(await repairLog(dir), [
    { path: '.wal/0000000003.log', repair: 'is kept as a copy; its good records stay', damage: true },
    { path: '.wal/0000000004.log', repair: 'is kept as a copy; its good records stay', damage: true },
    { path: '.wal', problem: 'holds 2 pushes that may not be in the files yet' },
  ])
  const state = await readState(dir)
  t.equal(state.get('.wal/0000000003.log.corrupt-T'), text)
  const store = await open(t, dir)
  t.match((await byName(store).listHistory('ann', 'abc')).slice(-2), [{ progress: 'p7' }, { progress: 'p9' }])
})

t.test('keeps a copy of a journal that is damaged, before a start drops what it cannot read', async (t) => {
  const text = `${push('p7')}x\n${push('p8')}`
  const dir = await makeState(t, { '.journal/0000000001.log': text })
  t.match(await repairLog(dir), [
    { path: '.journal/0000000001.log', repair: 'is kept as a copy; its good lines stay', damage: true },
    { path: '.journal', problem: 'holds 2 pushes that may not be in the files yet' },
  ])
  const state = await readState(dir)
  t.equal(state.get('.journal/0000000001.log.corrupt-T'), text)
  const store = await open(t, dir)
  t.match(await byName(store).getProgress('ann', 'abc'), { progress: 'p8' })
})

t.test('what was mended meanwhile is left alone', async (t) => {
  const dir = await makeState(t, { 'ann/history/x.jsonl': record('p3', 3, 'gone') })
  const before = await readState(dir)
  const path = join(dir, 'ann', 'abc.json')
  await replaceRecord(path)
  await restoreRecord(path)
  await moveRecord(path)
  await moveRows(path, 'abc')
  await moveRecord(join(dir, 'ann', 'gone.json'))
  await restoreRecord(join(dir, 'ann', 'x.json'))
  t.same(await readState(dir), before)
})

t.test('the store serves what it mended at once, and gives the account to nobody', async (t) => {
  const dir = await makeState(t, { 'bob/auth.json': '{', 'bob/x.json': record('p4', 4), '.format': '{}' })
  const store = await open(t, dir)
  t.match(await byName(store).getProgress('ann', 'abc'), { progress: 'p2' })
  await t.rejects((async () => store.getUser('bob'))(), { code: 'DAMAGED_FILE' })
  await writeFile(join(dir, 'ann', 'x.json'), record('p9', 2000), { mode: 0o600 })
  t.match(await store.admin.repair('ann'), [{ path: 'ann/x.json', repair: /^is merged/ }])
  t.match(await byName(store).getProgress('ann', 'abc'), { progress: 'p9' })
  t.match(await store.admin.repair('bob', { running: false }), [
    { path: 'bob/auth.json', repair: /keeps the account locked$/ },
    { path: 'bob/x.json', repair: 'is renamed to abc.json' },
    { path: /corrupt/ },
  ])
  t.match(await store.getUser('bob'), { disabled: true })
  t.match(await byName(store).getProgress('bob', 'abc'), { progress: 'p4' })
  t.match(await store.admin.repair(''), [{ path: '.format', repair: undefined }])
  await t.rejects(store.admin.repair('../x'), { message: /is not the name of a folder/ })
})

t.test('a folder that gets its user’s name gets nothing of an earlier user of that name', async (t) => {
  const dir = await makeState(t, { 'x/auth.json': auth('bob'), 'x/def.json': record('p4', 4, 'def') })
  const store = await open(t, dir)
  await store.createUser({ username: 'bob', key: 'K' })
  await byName(store).putProgress('bob', { ...pushed, document: 'old' })
  await byName(store).deleteUser('bob')
  t.match(await store.admin.repair('x'), [{ path: 'x', repair: 'is renamed to bob' }])
  await store.admin.flush()
  t.match(await byName(store).getProgress('bob', 'def'), { progress: 'p4' })
  t.equal(await byName(store).getProgress('bob', 'old'), undefined)
  await store.close()
  const next = await open(t, dir)
  t.equal(await byName(next).getProgress('bob', 'old'), undefined)
})

t.test('pushes that something in their way kept from the files are in them after the repair', async (t) => {
  const dir = await makeState(t, { 'bob/auth.json': auth('bob'), 'bob/history': 'in the way', 'bob/abc.json/x': 'x' })
  const store = await FileStore.open({ dir, history: true, onDamage: () => undefined })
  t.teardown(() => store.close())
  await byName(store).putProgress('bob', { ...pushed, document: 'new' })
  t.equal(await store.admin.flush(), false)
  t.match(await store.admin.repair('bob'), [
    { path: 'bob/history', repair: 'is set aside' },
    { path: 'bob/abc.json', repair: 'is set aside' },
    { problem: /^was set aside/ },
    { problem: /^was set aside/ },
  ])
  t.same(await byName(store).listHistory('bob', 'new'), [{ ...pushed, document: 'new' }])
  t.match(sorted((await readState(dir)).get('bob/new.json')), [{ document: 'new' }])
})

t.test('a history that was mended is counted anew', async (t) => {
  const dir = await makeState(t, { 'ann/history/abc.jsonl': '' })
  const store = await open(t, dir, { historyLimit: 3 })
  for (const progress of ['p3', 'p4']) await byName(store).putProgress('ann', { ...pushed, progress, timestamp: 2000 })
  await store.admin.flush()
  await writeFile(join(dir, 'ann', 'x.json'), record('p1', 1), { mode: 0o600 })
  await store.admin.repair('ann')
  for (const progress of ['p5', 'p6']) await byName(store).putProgress('ann', { ...pushed, progress, timestamp: 3000 })
  const rows = await byName(store).listHistory('ann', 'abc')
  t.same(
    rows.map(({ progress }) => progress),
    ['p4', 'p5', 'p6'],
  )
})
