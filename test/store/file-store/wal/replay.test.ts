import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Progress } from '../../../../src/kosync/protocol.ts'
import { hasCode } from '../../../../src/error-code.ts'
import { FileStore } from '../../../../src/store/file-store/file-store.ts'
import { keptLine, voidLine, pushLine } from '../../../../src/store/file-store/wal/journal-entry.ts'
import { journalLine } from '../../../../src/store/file-store/wal/read-journal.ts'
import { pushed } from '../../contract.ts'
import { removeFoldersLast } from '../../../folders-last.ts'
import { byName } from '../../by-name.ts'

removeFoldersLast(t)

interface Opened {
  dir: string
  store: FileStore
  damage: unknown[]
}

async function open(t: Test, dir: string, history = true): Promise<Opened> {
  const damage: unknown[] = []
  const store = await FileStore.open({ dir, history, onDamage: (error) => damage.push(error) })
  t.teardown(() => store.close())
  await store.flush()
  return { dir, store, damage }
}

const auth = JSON.stringify({ 'x-auth-user': 'ann', 'x-auth-key': 'K' })
const at = (progress: string, more: Partial<Progress> = {}): Progress => ({ ...pushed, progress, ...more })
const line = (progress: Progress): string => JSON.stringify(progress)
const entry = (progress: Progress, path = 'ann/abc.json', isRow = true): string => pushLine(path, line(progress), isRow)

interface Left {
  journal: string[]
  record?: object
  history?: string
}

/** A state directory as a crash may leave it. */
function leftBy(t: Test, { journal, record, history }: Left): string {
  return t.testdir({
    '.journal': Object.fromEntries(journal.map((text, number) => [`000000000${number + 1}.log`, text])),
    ann: {
      'auth.json': auth,
      ...(record && { 'abc.json': JSON.stringify(record) }),
      ...(history !== undefined && { history: { 'abc.jsonl': history } }),
    },
  })
}

/** Again when a journal file went while it was copied. */
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
  await store.flush()
  for (let number = 5; number < 10; number++) await byName(store).putProgress('ann', at(`${number}`))
  const crashed = `${dir}-crashed`
  await copyAsCrashed(dir, crashed)
  t.match(await readJson(crashed, 'ann', 'abc.json'), { progress: '4' }, 'it was in the journal alone')

  const { store: next, damage } = await open(t, crashed)
  t.match(await byName(next).getProgress('ann', 'abc'), { progress: '9' })
  t.match(await readJson(crashed, 'ann', 'abc.json'), { progress: '9' })
  t.same(progressOf(await byName(next).listHistory('ann', 'abc')), ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
  await next.close()
  t.same(await readdir(join(crashed, '.journal')), [])
  t.same(damage, [])
})

for (const [what, left, progress, history] of [
  ['nothing was written', {}, '3', ['2', '3']],
  ['history was written', { history: `${line(at('2'))}\n${line(at('3'))}\n` }, '3', ['2', '3']],
  ['a part of the history was', { history: `${line(at('2'))}\n${line(at('3')).slice(0, 9)}` }, '3', ['2', '3']],
  ['both were', { record: at('3'), history: `${line(at('2'))}\n${line(at('3'))}\n` }, '3', ['2', '3']],
  ['the record is older', { record: at('1', { timestamp: 999 }), history: `${line(at('1'))}\n` }, '3', ['1', '2', '3']],
  ['the record is torn', { record: [1], history: `${line(at('1'))}\n` }, '3', ['1', '2', '3']],
  ['the record is newer', { record: at('9', { timestamp: 1001 }), history: `${line(at('9'))}\n` }, '9', ['9']],
  ['the record is of a clock a year ahead', { record: at('9', { timestamp: 40_000_000 }) }, '3', ['9', '2', '3']],
] as const) {
  t.test(`the journal is brought into the files when ${what}`, async (t) => {
    const dir = leftBy(t, { ...left, journal: [entry(at('2')), entry(at('3'))] })
    for (const time of ['once', 'and again']) {
      const journal = await readFile(join(dir, '.journal', '0000000002.log'), 'utf8').catch(() => '')
      const { store } = await open(t, dir)
      t.match(await byName(store).getProgress('ann', 'abc'), { progress }, time)
      t.match(await readJson(dir, 'ann', 'abc.json'), { progress })
      t.same(progressOf(await byName(store).listHistory('ann', 'abc')), history)
      await store.close()
      // A crash before its removal was durable.
      await writeFile(join(dir, '.journal', '0000000002.log'), journal)
    }
  })
}

t.test('what the record had besides stays', async (t) => {
  const record = { ...at('1'), metadata: { title: 'Dune' }, note: 'mine' }
  const { store } = await open(t, leftBy(t, { record, journal: [entry(at('2'))] }))
  t.same(await byName(store).getProgress('ann', 'abc'), { ...record, progress: '2' })
})

t.test('without history only the record is written', async (t) => {
  const dir = leftBy(t, { journal: [entry(at('2'))] })
  await open(t, dir, false)
  t.same((await readdir(join(dir, 'ann'))).toSorted(), ['abc.json', 'auth.json'])
})

t.test("another document's file is set aside", async (t) => {
  const dir = leftBy(t, { record: { ...pushed, document: 'other' }, journal: [entry(at('2'))] })
  await open(t, dir)
  t.match(await readJson(dir, 'ann', 'abc.json'), { document: 'abc', progress: '2' })
  t.equal((await readdir(join(dir, 'ann'))).filter((name) => name.startsWith('abc.json.corrupt-')).length, 1)
})

t.test('pushes of a user who is gone, or was somebody else, are nobody’s', async (t) => {
  const journal = [entry(at('2')) + entry(at('3'), 'bob/abc.json'), voidLine('ann')]
  const dir = leftBy(t, { journal })
  const { store } = await open(t, dir)
  t.equal(await byName(store).getProgress('ann', 'abc'), undefined)
  t.same((await readdir(dir)).toSorted(), ['.journal', 'ann'])
})

t.test('pushes that were kept anew, when their file could not be written, count once', async (t) => {
  const kept = keptLine('ann/abc.json', [at('1'), at('2')].map(line), line(at('2', { timestamp: 1005 })))
  const journal = [entry(at('0', { document: 'x' }), 'ann/x.json') + entry(at('1')) + entry(at('2')) + kept]
  const { store } = await open(t, leftBy(t, { journal: [...journal, entry(at('1', { timestamp: 1006 }))] }))
  t.same(progressOf(await byName(store).listHistory('ann', 'abc')), ['1', '2', '1'])
  t.match(await byName(store).getProgress('ann', 'abc'), { progress: '1', timestamp: 1006 })
  t.match(await byName(store).getProgress('ann', 'x'), { progress: '0' })
})

t.test('pushes that an earlier build kept anew, in lines of their own, count once', async (t) => {
  const again = journalLine('{"folder":"ann","file":"abc.json"}')
  const kept = entry(at('1')) + entry(at('2')) + again + entry(at('1')) + entry(at('2')) + entry(at('1'))
  const { store } = await open(t, leftBy(t, { journal: [entry(at('0', { document: 'x' }), 'ann/x.json') + kept] }))
  t.same(progressOf(await byName(store).listHistory('ann', 'abc')), ['1', '2', '1'])
  t.match(await byName(store).getProgress('ann', 'abc'), { progress: '1' })
  t.match(await byName(store).getProgress('ann', 'x'), { progress: '0' })
})

t.test('a crash in the middle of the pushes that are kept anew leaves those that stood there before', async (t) => {
  const before = entry(at('1')) + entry(at('2'))
  const dir = leftBy(t, { journal: [before] })
  await mkdir(join(dir, 'ann', 'history', 'abc.jsonl'), { recursive: true })
  await (await open(t, dir)).store.close()
  const [name = ''] = await readdir(join(dir, '.journal'))
  const kept = await readFile(join(dir, '.journal', name))
  t.not(kept.toString(), before, 'it was kept anew')
  await rm(join(dir, 'ann', 'history'), { recursive: true })
  for (let length = 0; length <= kept.length; length += 1 + Math.floor(kept.length / 20)) {
    const journal = [before, kept.subarray(0, length).toString()]
    const { store } = await open(t, leftBy(t, { journal }))
    t.same(progressOf(await byName(store).listHistory('ann', 'abc')), ['1', '2'], `${length} bytes`)
    await store.close()
  }
})

t.test('a push that was no row of the history becomes none, but its time counts', async (t) => {
  const again = at('2', { timestamp: 1005 })
  const dir = leftBy(t, { journal: [entry(at('2')) + entry(again, 'ann/abc.json', false)] })
  const { store } = await open(t, dir)
  t.match(await byName(store).getProgress('ann', 'abc'), again)
  t.same(await byName(store).listHistory('ann', 'abc'), [at('2')])
})

t.test('what could not be written and repeats the last position is kept with its time', async (t) => {
  const { dir, store } = await open(t, leftBy(t, { journal: [] }))
  await mkdir(join(dir, 'ann', 'history', 'abc.jsonl'), { recursive: true })
  await byName(store).putProgress('ann', at('1'))
  const again = at('1', { timestamp: 1005 })
  await byName(store).putProgress('ann', again)
  t.equal(await store.flush(), false)
  const crashed = `${dir}-crashed`
  t.teardown(() => rm(crashed, { recursive: true, force: true }))
  await copyAsCrashed(dir, crashed)
  await rm(join(crashed, 'ann', 'history'), { recursive: true })
  const { store: next } = await open(t, crashed)
  t.match(await byName(next).getProgress('ann', 'abc'), again)
  t.same(await byName(next).listHistory('ann', 'abc'), [at('1')])
  await rm(join(dir, 'ann', 'history'), { recursive: true })
})

t.test('a journal that somebody doctored does not lead out of the folder', async (t) => {
  const journal = ['../ann/abc.json', 'ann/../abc.json', './ann.json', 'ann/.x.json', 'ann/a\\b.json']
  const lines = journal.map((path) => {
    const [folder, ...file] = path.split('/')
    return JSON.stringify({ folder, file: file.join('/'), push: at('2') })
  })
  const dir = leftBy(t, { journal: [lines.map(journalLine).join('')] })
  await (await open(t, dir)).store.close()
  t.match((await readdir(dir, { recursive: true })).toSorted(), ['.journal', /\.corrupt-/, 'ann', 'ann/auth.json'])
})

const ofAbc = '"folder":"ann","file":"abc.json"'

for (const [what, text] of [
  ['null', 'null'],
  ['a number', '5'],
  ['no JSON', '{"folder":'],
  ['no folder', '{}'],
  ['a folder that is no name', '{"folder":5}'],
  ['a file that is no name', `{"folder":"ann","file":5,"push":${line(at('2'))}}`],
  ['the file of a credential', `{"folder":"ann","file":"auth.json","push":${line(at('2'))}}`],
  ['a push that is null', `{${ofAbc},"push":null}`],
  ['a push without a time', `{${ofAbc},"push":{"document":"abc","percentage":1,"progress":"2","device":"kpw"}}`],
  ['a percentage that is a text', `{${ofAbc},"push":${line({ ...at('2'), percentage: '1' as unknown as number })}}`],
  ['kept pushes that are null', `{${ofAbc},"kept":null}`],
  ['kept pushes without a record', `{${ofAbc},"kept":{"rows":[${line(at('2'))}]}}`],
  ['kept pushes with a row that is none', `{${ofAbc},"kept":{"rows":[5],"record":${line(at('2'))}}}`],
] as const) {
  t.test(`a line of the journal with ${what} is set aside and told, and the rest is replayed`, async (t) => {
    const text1 = entry(at('1')) + journalLine(text) + entry(at('3'))
    const dir = leftBy(t, { journal: [text1] })
    const { store, damage } = await open(t, dir)
    t.same(progressOf(await byName(store).listHistory('ann', 'abc')), ['1', '3'])
    t.match(damage, [
      { message: /0000000001\.log: has 1 line that is no entry: the file is kept as .*\.log\.corrupt-…$/ },
    ])
    t.match(await store.getUser('ann'), { key: 'K' })
    await store.close()
    const [copy = ''] = await readdir(join(dir, '.journal'))
    t.equal(await readFile(join(dir, '.journal', copy), 'utf8'), text1)
  })
}

t.test('a disk that can not be written is served from the journal, which stays', async (t) => {
  const dir = leftBy(t, { journal: [entry(at('2'))] })
  await mkdir(join(dir, 'ann', 'history', 'abc.jsonl'), { recursive: true })
  const { store, damage } = await open(t, dir)
  t.match(await byName(store).getProgress('ann', 'abc'), { progress: '2' })
  t.match(damage, [{ code: 'EISDIR' }])
  await store.close()
  t.equal((await readdir(join(dir, '.journal'))).length, 1)
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
    await deleted
    t.equal(await store.createUser({ username: 'ann', key: 'L' }), true)
    await Promise.all(late)
    t.equal(await byName(store).getProgress('ann', 'abc'), undefined)
    await copyAsCrashed(dir, `${dir}-${round}`)
    const { store: next } = await open(t, `${dir}-${round}`)
    t.equal(await byName(next).getProgress('ann', 'abc'), undefined, 'nor after a crash')
    await store.flush()
    t.equal(await byName(store).getProgress('ann', 'abc'), undefined)
    await byName(store).deleteUser('ann')
  }
})

t.test('a push that waits for room is not stored for who gets the name meanwhile', async (t) => {
  const { store } = await open(t, t.testdir({}))
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
  const round = store.flush()
  await byName(store).putProgress('ann', at('2', { document: '99' }))
  t.equal(await round, true)
  t.match(await readJson(dir, 'ann', '99.json'), { progress: '1' })
  t.match(await byName(store).getProgress('ann', '99'), { progress: '2' })
  t.equal(await store.flush(), true)
  t.match(await readJson(dir, 'ann', '99.json'), { progress: '2' })
  t.same(progressOf(await byName(store).listHistory('ann', '99')), ['1', '2'])

  await Promise.all(documents.map((document) => byName(store).putProgress('ann', at('3', { document }))))
  const last = store.flush()
  await byName(store).deleteUser('ann')
  await store.createUser({ username: 'ann', key: 'L' })
  await last
  t.same(await readdir(join(dir, 'ann')), ['auth.json'])
})

t.test('a journal that can not be written: nothing is acknowledged, and all goes on when it can', async (t) => {
  const { dir, store } = await open(t, t.testdir({ ann: { 'auth.json': auth }, '.journal': 'in the way' }))
  await t.rejects(byName(store).putProgress('ann', at('1')), { code: 'ENOTDIR' })
  t.equal(await byName(store).getProgress('ann', 'abc'), undefined)
  t.equal(await store.createUser({ username: 'bob', key: 'K' }), true, 'a new account needs no journal')
  await rm(join(dir, '.journal'))
  t.match(await byName(store).putProgress('ann', at('2')), { progress: '2' })
})
