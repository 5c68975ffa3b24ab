import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Progress } from '../../../../src/kosync/protocol.ts'
import { FileStore } from '../../../../src/store/file-store/file-store.ts'
import { journalLine, keptLine, pushLine, voidLine } from './journal-lines.ts'
import { pushed } from '../../contract.ts'
import { removeFoldersLast } from '../../../folders-last.ts'
import { byName } from '../../by-name.ts'
import { faultyDisk } from '../faulty-disk.ts'

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
  await store.admin.flush()
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

const readJson = async (...path: string[]): Promise<unknown> => JSON.parse(await readFile(join(...path), 'utf8'))
const progressOf = (records: Progress[]): string[] => records.map(({ progress }) => progress)

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
  t.test(`the journal is brought into the files when ${what}`, async (t) => {
    const dir = leftBy(t, { ...left, journal: [entry(at('2')), entry(at('3'))] })
    for (const time of ['once', 'and again']) {
      const { store } = await open(t, dir)
      t.match(await byName(store).getProgress('ann', 'abc'), { progress }, time)
      t.match(await readJson(dir, 'ann', 'abc.json'), { progress })
      t.same(progressOf(await byName(store).listHistory('ann', 'abc')), history)
      await store.close()
      t.notOk((await readdir(dir)).includes('.journal'))
      // A crash before its removal was durable.
      await mkdir(join(dir, '.journal'))
      await writeFile(join(dir, '.journal', '0000000002.log'), entry(at('3')))
    }
  })
}

t.test('pushes of a user who is gone, or was somebody else, are nobody’s', async (t) => {
  const journal = [entry(at('2')) + entry(at('3'), 'bob/abc.json'), voidLine('ann')]
  const dir = leftBy(t, { journal })
  const { store } = await open(t, dir)
  t.equal(await byName(store).getProgress('ann', 'abc'), undefined)
  t.same((await readdir(dir)).toSorted(), ['ann'])
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

t.test('a push that was no row of the history becomes none, but its time counts', async (t) => {
  const again = at('2', { timestamp: 1005 })
  const dir = leftBy(t, { journal: [entry(at('2')) + entry(again, 'ann/abc.json', false)] })
  const { store } = await open(t, dir)
  t.match(await byName(store).getProgress('ann', 'abc'), again)
  t.same(await byName(store).listHistory('ann', 'abc'), [at('2')])
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

t.test('a file with a line that is no entry is read though it cannot be copied, and that is told', async (t) => {
  const dir = leftBy(t, { journal: [entry(at('1')) + journalLine('5') + journalLine('6') + entry(at('3'))] })
  faultyDisk(t).fail('open', /\.corrupt-/, 'ENOSPC')
  const { store, damage } = await open(t, dir)
  t.same(progressOf(await byName(store).listHistory('ann', 'abc')), ['1', '3'])
  t.match(damage, [{ message: /0000000001\.log: has 2 lines that are no entries, and cannot be copied: ENOSPC/ }])
})

for (const [what, end] of [
  ['half a line', entry(at('2')).slice(0, -4)],
  ['zeros', '\0'.repeat(500)],
  ['a line with another checksum', entry(at('2')).replace('"2"', '"x"')],
] as const) {
  t.test(`${what} at the end: the lines before it are read, and it is told`, async (t) => {
    const { store, damage } = await open(t, leftBy(t, { journal: [entry(at('1')) + end] }))
    t.same(progressOf(await byName(store).listHistory('ann', 'abc')), ['1'])
    t.match(damage, [{ message: /0000000001\.log: has a line that a crash tore$/ }])
  })
}
