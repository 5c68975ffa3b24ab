import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Progress } from '../../../../src/kosync/protocol.ts'
import { hasCode } from '../../../../src/error-code.ts'
import { FileStore, type FileStoreOptions } from '../../../../src/store/file-store/file-store.ts'
import { formatTombstone } from '../../../../src/store/file-store/wal/record.ts'
import { pushed } from '../../contract.ts'
import { keptRecord, pushRecord, segment } from './log-lines.ts'
import { removeFoldersLast } from '../../../folders-last.ts'
import { byName } from '../../by-name.ts'

removeFoldersLast(t)

interface Opened {
  dir: string
  store: FileStore
  damage: unknown[]
}

async function open(t: Test, dir: string, options: Partial<FileStoreOptions> = {}): Promise<Opened> {
  const damage: unknown[] = []
  const store = await FileStore.open({ dir, history: true, onDamage: (error) => damage.push(error), ...options })
  t.teardown(() => store.close())
  await store.admin.flush()
  return { dir, store, damage }
}

const auth = JSON.stringify({ 'x-auth-user': 'ann', 'x-auth-key': 'K' })
const at = (progress: string, more: Partial<Progress> = {}): Progress => ({ ...pushed, progress, ...more })
const line = (progress: Progress): string => JSON.stringify(progress)
const entry = (progress: Progress, path = 'ann/abc.json', isRow = true): string =>
  pushRecord(path, line(progress), isRow)

interface Left {
  /** The records of each segment. */
  log: string[]
  record?: object
  history?: string
}

/** A state directory as a crash may leave it. */
function leftBy(t: Test, { log, record, history }: Left): string {
  return t.testdir({
    '.format': '{"format":2}',
    '.wal': Object.fromEntries(log.map((text, i) => [`000000000${i + 1}.log`, segment(i + 1, text)])),
    ann: {
      'auth.json': auth,
      ...(record && { 'abc.json': JSON.stringify(record) }),
      ...(history !== undefined && { history: { 'abc.jsonl': history } }),
    },
  })
}

/** Again when a segment went while it was copied. */
async function copyAsCrashed(dir: string, copy: string): Promise<void> {
  for (;;) {
    try {
      await cp(dir, copy, { recursive: true })
      return
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error
      await rm(copy, { recursive: true, force: true })
    }
  }
}

const readJson = async (...path: string[]): Promise<unknown> => JSON.parse(await readFile(join(...path), 'utf8'))
const progressOf = (records: Progress[]): string[] => records.map(({ progress }) => progress)

t.test('what was acknowledged outlives a crash at once, in the files and once in the history', async (t) => {
  const { dir, store } = await open(t, t.testdir({ state: {} }) + '/state')
  await store.createUser({ username: 'ann', key: 'K' })
  for (let number = 0; number < 5; number++) await byName(store).putProgress('ann', at(`${number}`))
  await store.admin.flush()
  for (let number = 5; number < 10; number++) await byName(store).putProgress('ann', at(`${number}`))
  const crashed = `${dir}-crashed`
  await copyAsCrashed(dir, crashed)
  t.match(await readJson(crashed, 'ann', 'abc.json'), { progress: '4' }, 'it was in the log alone')

  const { store: next, damage } = await open(t, crashed)
  t.match(await byName(next).getProgress('ann', 'abc'), { progress: '9' })
  t.match(await readJson(crashed, 'ann', 'abc.json'), { progress: '9' })
  t.same(progressOf(await byName(next).listHistory('ann', 'abc')), ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
  await next.close()
  t.same(await readdir(join(crashed, '.wal')), [])
  t.same(damage, [])
})

for (const [what, left, progress, history] of [
  ['nothing was written', {}, '3', ['2', '3']],
  ['history was written', { history: `${line(at('2'))}\n${line(at('3'))}\n` }, '3', ['2', '3']],
  ['a part of the history was', { history: `${line(at('2'))}\n${line(at('3')).slice(0, 9)}` }, '3', ['2', '3']],
  ['both were', { record: at('3'), history: `${line(at('2'))}\n${line(at('3'))}\n` }, '3', ['2', '3']],
  ['the record is older', { record: at('1', { timestamp: 999 }), history: `${line(at('1'))}\n` }, '3', ['1', '2', '3']],
  ['the record is torn', { record: [1], history: `${line(at('1'))}\n` }, '3', ['1', '2', '3']],
  [
    'the record is newer',
    { record: at('9', { timestamp: 1001 }), history: `${line(at('9', { timestamp: 1001 }))}\n` },
    '9',
    ['2', '3', '9'],
  ],
  ['the record is of a clock a year ahead', { record: at('9', { timestamp: 40_000_000 }) }, '3', ['9', '2', '3']],
] as const) {
  t.test(`the log is brought into the files when ${what}`, async (t) => {
    const dir = leftBy(t, { ...left, log: [entry(at('2')), entry(at('3'))] })
    for (const time of ['once', 'and again']) {
      const journal = await readFile(join(dir, '.wal', '0000000002.log'), 'utf8').catch(() => '')
      const { store } = await open(t, dir)
      t.match(await byName(store).getProgress('ann', 'abc'), { progress }, time)
      t.match(await readJson(dir, 'ann', 'abc.json'), { progress })
      t.same(progressOf(await byName(store).listHistory('ann', 'abc')), history)
      await store.close()
      // A crash before its removal was durable.
      await writeFile(join(dir, '.wal', '0000000002.log'), journal)
    }
  })
}

t.test('what the record had besides stays', async (t) => {
  const record = { ...at('1'), metadata: { title: 'Dune' }, note: 'mine' }
  const { store } = await open(t, leftBy(t, { record, log: [entry(at('2'))] }))
  t.same(await byName(store).getProgress('ann', 'abc'), { ...record, progress: '2' })
})

t.test('without history only the record is written', async (t) => {
  const dir = leftBy(t, { log: [entry(at('2'))] })
  await open(t, dir, { history: false })
  t.same((await readdir(join(dir, 'ann'))).toSorted(), ['abc.json', 'auth.json'])
})

t.test("another document's file is set aside", async (t) => {
  const dir = leftBy(t, { record: { ...pushed, document: 'other' }, log: [entry(at('2'))] })
  await open(t, dir)
  t.match(await readJson(dir, 'ann', 'abc.json'), { document: 'abc', progress: '2' })
  t.equal((await readdir(join(dir, 'ann'))).filter((name) => name.startsWith('abc.json.corrupt-')).length, 1)
})

t.test('pushes of a user who is gone, or was somebody else, are nobody’s', async (t) => {
  const log = [entry(at('2')) + entry(at('3'), 'bob/abc.json'), formatTombstone('ann')]
  const dir = leftBy(t, { log })
  const { store } = await open(t, dir)
  t.equal(await byName(store).getProgress('ann', 'abc'), undefined)
  t.same((await readdir(dir)).toSorted(), ['.format', '.wal', 'ann'])
})

t.test('pushes that were kept anew, when their file could not be written, count once', async (t) => {
  const kept = keptRecord('ann/abc.json', [at('1'), at('2')].map(line), line(at('2', { timestamp: 1005 })))
  const log = [entry(at('0', { document: 'x' }), 'ann/x.json') + entry(at('1')) + entry(at('2')) + kept]
  const { store } = await open(t, leftBy(t, { log: [...log, entry(at('1', { timestamp: 1006 }))] }))
  t.same(progressOf(await byName(store).listHistory('ann', 'abc')), ['1', '2', '1'])
  t.match(await byName(store).getProgress('ann', 'abc'), { progress: '1', timestamp: 1006 })
  t.match(await byName(store).getProgress('ann', 'x'), { progress: '0' })
})

t.test('a crash in the middle of the pushes that are kept anew leaves those that stood there before', async (t) => {
  const before = entry(at('1')) + entry(at('2'))
  const dir = leftBy(t, { log: [before] })
  await mkdir(join(dir, 'ann', 'history', 'abc.jsonl'), { recursive: true })
  await (await open(t, dir)).store.close()
  const [name = ''] = await readdir(join(dir, '.wal'))
  const kept = await readFile(join(dir, '.wal', name))
  t.match(kept.toString(), /"kind":"kept"/, 'it was kept anew')
  t.notMatch(kept.toString(), /"kind":"push"/)
  for (let length = 0; length <= kept.length; length += 1 + Math.floor(kept.length / 20)) {
    const torn = leftBy(t, { log: [before] })
    await writeFile(join(torn, '.wal', name), kept.subarray(0, length))
    const { store } = await open(t, torn)
    t.same(progressOf(await byName(store).listHistory('ann', 'abc')), ['1', '2'], `${length} bytes`)
    await store.close()
  }
})

t.test('a push that was no row of the history becomes none, but its time counts', async (t) => {
  const again = at('2', { timestamp: 1005 })
  const dir = leftBy(t, { log: [entry(at('2')) + entry(again, 'ann/abc.json', false)] })
  const { store } = await open(t, dir)
  t.match(await byName(store).getProgress('ann', 'abc'), again)
  t.same(await byName(store).listHistory('ann', 'abc'), [at('2')])
})

t.test('what could not be written and repeats the last position is kept with its time', async (t) => {
  const { dir, store } = await open(t, leftBy(t, { log: [] }))
  await mkdir(join(dir, 'ann', 'history', 'abc.jsonl'), { recursive: true })
  await byName(store).putProgress('ann', at('1'))
  const again = at('1', { timestamp: 1005 })
  await byName(store).putProgress('ann', again)
  t.equal(await store.admin.flush(), false)
  const crashed = `${dir}-crashed`
  t.teardown(() => rm(crashed, { recursive: true, force: true }))
  await copyAsCrashed(dir, crashed)
  await rm(join(crashed, 'ann', 'history'), { recursive: true })
  const { store: next } = await open(t, crashed)
  t.match(await byName(next).getProgress('ann', 'abc'), again)
  t.same(await byName(next).listHistory('ann', 'abc'), [at('1')])
  await rm(join(dir, 'ann', 'history'), { recursive: true })
})

t.test('a log that somebody doctored does not lead out of the folder', async (t) => {
  const paths = ['../ann/abc.json', 'ann/../abc.json', './ann.json', 'ann/.x.json', 'ann/a\\b.json']
  const lines = paths.map((path) => {
    const [folder, ...file] = path.split('/')
    return `${JSON.stringify({ kind: 'push', folder, file: file.join('/'), push: at('2') })}\n`
  })
  const dir = leftBy(t, { log: [lines.join('')] })
  await (await open(t, dir)).store.close()
  const left = (await readdir(dir, { recursive: true })).toSorted()
  t.match(left, ['.format', '.wal', /\.corrupt-/, 'ann', 'ann/auth.json'])
})

const ofAbc = '"folder":"ann","file":"abc.json"'

for (const [what, text] of [
  ['null', 'null'],
  ['a number', '5'],
  ['no JSON', '{"folder":'],
  ['no kind', `{${ofAbc},"push":${line(at('2'))}}`],
  ['an unknown kind', `{"kind":"other",${ofAbc},"push":${line(at('2'))}}`],
  ['no folder', '{"kind":"tombstone"}'],
  ['a folder that is no name', '{"kind":"tombstone","folder":5}'],
  ['a folder with a NUL in its name', '{"kind":"tombstone","folder":"ann\\u0000"}'],
  ['a push into a folder with a NUL in its name', pushRecord('an\0/abc.json', line(at('2')), true).trim()],
  ['a folder with a name of 256 bytes', pushRecord(`${'ä'.repeat(128)}/abc.json`, line(at('2')), true).trim()],
  ['a file with a NUL in its name', pushRecord('ann/a\0.json', line(at('2')), true).trim()],
  ['a file with a name of 256 bytes', pushRecord(`ann/${'a'.repeat(251)}.json`, line(at('2')), true).trim()],
  ['a tombstone of a file that is no name', '{"kind":"tombstone","folder":"ann","file":"../x"}'],
  ['a file that is no name', `{"kind":"push","folder":"ann","file":5,"push":${line(at('2'))}}`],
  ['the file of a credential', `{"kind":"push","folder":"ann","file":"auth.json","push":${line(at('2'))}}`],
  ['a push that is null', `{"kind":"push",${ofAbc},"push":null}`],
  ['a push without a time', `{"kind":"push",${ofAbc},"push":{"document":"abc","percentage":1,"progress":"2"}}`],
  ['a push that is nested too deeply', `{"kind":"push",${ofAbc},"push":${'{"a":'.repeat(200)}1${'}'.repeat(200)}}`],
  ['a record that is null', `{"kind":"push",${ofAbc},"push":${line(at('2'))},"record":null}`],
  ['kept pushes without a record', `{"kind":"kept",${ofAbc},"rows":[${line(at('2'))}]}`],
  ['kept pushes without rows', `{"kind":"kept",${ofAbc},"record":${line(at('2'))}}`],
  ['kept pushes with a row that is none', `{"kind":"kept",${ofAbc},"rows":[5],"record":${line(at('2'))}}`],
] as const) {
  t.test(`a line of the log with ${what} is set aside and told, and the rest is recovered`, async (t) => {
    const dir = leftBy(t, { log: [entry(at('1')) + `${text}\n` + entry(at('3'))] })
    const before = await readFile(join(dir, '.wal', '0000000001.log'), 'utf8')
    const { store, damage } = await open(t, dir)
    t.same(progressOf(await byName(store).listHistory('ann', 'abc')), ['1', '3'])
    t.match(damage, [{ message: /0000000001\.log: has damaged records: the file is kept as .*\.log\.corrupt-…$/ }])
    t.match(await store.getUser('ann'), { key: 'K' })
    await store.close()
    const [copy = ''] = await readdir(join(dir, '.wal'))
    t.equal(await readFile(join(dir, '.wal', copy), 'utf8'), before)
  })
}

t.test('a tombstone of one document ends its pushes alone', async (t) => {
  const end = '{"kind":"tombstone","folder":"ann","file":"abc.json"}\n'
  const other = entry(at('1', { document: 'x' }), 'ann/x.json')
  const { store } = await open(t, leftBy(t, { log: [entry(at('1')) + other + end + entry(at('2'))] }))
  t.same(progressOf(await byName(store).listHistory('ann', 'abc')), ['2'])
  t.match(await byName(store).getProgress('ann', 'x'), { progress: '1' })
})

t.test('a disk that can not be written is served from the log, which stays', async (t) => {
  const dir = leftBy(t, { log: [entry(at('2'))] })
  await mkdir(join(dir, 'ann', 'history', 'abc.jsonl'), { recursive: true })
  const { store, damage } = await open(t, dir)
  t.match(await byName(store).getProgress('ann', 'abc'), { progress: '2' })
  t.match(damage, [{ code: 'EISDIR' }])
  await store.close()
  t.equal((await readdir(join(dir, '.wal'))).length, 1)
  await rm(join(dir, 'ann', 'history'), { recursive: true })
  const { store: next } = await open(t, dir)
  t.match(await readJson(dir, 'ann', 'abc.json'), { progress: '2' })
  t.same(progressOf(await byName(next).listHistory('ann', 'abc')), ['2'])
})

t.test('a push that a deleted user made at the last moment is not the next one’s', async (t) => {
  const { dir, store } = await open(t, t.testdir({ state: {} }) + '/state')
  for (let round = 0; round < 20; round++) {
    await store.createUser({ username: 'ann', key: 'K' })
    const late = Array.from({ length: 5 }, (_, number) => byName(store).putProgress('ann', at(`${number}`)))
    const deleted = byName(store).deleteUser('ann')
    late.push(byName(store).putProgress('ann', at('later')))
    const ended = Promise.allSettled(late)
    await deleted
    t.equal(await store.createUser({ username: 'ann', key: 'L' }), true)
    await ended
    t.equal(await byName(store).getProgress('ann', 'abc'), undefined)
    await copyAsCrashed(dir, `${dir}-${round}`)
    const { store: next } = await open(t, `${dir}-${round}`)
    t.equal(await byName(next).getProgress('ann', 'abc'), undefined, 'nor after a crash')
    await store.admin.flush()
    t.equal(await byName(store).getProgress('ann', 'abc'), undefined)
    await byName(store).deleteUser('ann')
  }
})

t.test('a push that waits for room is not stored for who gets the name meanwhile', async (t) => {
  const { store } = await open(t, t.testdir({}), { logMaxBytes: 100_000 })
  for (const username of ['ann', 'bob']) await store.createUser({ username, key: 'K' })
  const documents = Array.from({ length: 2000 }, (_, number) => `${number}`)
  await Promise.all(documents.map((document) => byName(store).putProgress('bob', at('1', { document }))))
  const late = byName(store).putProgress('ann', at('late'))
  await byName(store).deleteUser('ann')
  await store.createUser({ username: 'ann', key: 'L' })
  await t.rejects(late, { code: 'STALE_ACCOUNT', isGone: true })
  t.equal(await byName(store).getProgress('ann', 'abc'), undefined)
})

t.test('while many are being written, a newer push waits for the next round, and a user can go', async (t) => {
  const { dir, store } = await open(t, t.testdir({}))
  await store.createUser({ username: 'ann', key: 'K' })
  const documents = Array.from({ length: 100 }, (_, number) => `${number}`)
  await Promise.all(documents.map((document) => byName(store).putProgress('ann', at('1', { document }))))
  const round = store.admin.flush()
  await byName(store).putProgress('ann', at('2', { document: '99' }))
  t.equal(await round, true)
  t.match(await readJson(dir, 'ann', '99.json'), { progress: /[12]/ })
  t.match(await byName(store).getProgress('ann', '99'), { progress: '2' })
  t.equal(await store.admin.flush(), true)
  t.match(await readJson(dir, 'ann', '99.json'), { progress: '2' })
  t.same(progressOf(await byName(store).listHistory('ann', '99')), ['1', '2'])

  await Promise.all(documents.map((document) => byName(store).putProgress('ann', at('3', { document }))))
  const last = store.admin.flush()
  await byName(store).deleteUser('ann')
  await store.createUser({ username: 'ann', key: 'L' })
  await last
  t.same(await readdir(join(dir, 'ann')), ['auth.json'])
})

t.test('a log that can not be written: nothing is acknowledged, and all goes on when it can', async (t) => {
  const { dir, store } = await open(t, t.testdir({ ann: { 'auth.json': auth }, '.wal': 'in the way' }))
  await t.rejects(byName(store).putProgress('ann', at('1')), { code: 'ENOTDIR' })
  t.equal(await byName(store).getProgress('ann', 'abc'), undefined)
  t.equal(await store.createUser({ username: 'bob', key: 'K' }), true, 'a new account needs no journal')
  await rm(join(dir, '.wal'))
  t.match(await byName(store).putProgress('ann', at('2')), { progress: '2' })
})
