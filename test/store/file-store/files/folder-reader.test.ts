import * as fs from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import * as reader from '../../../../src/store/file-store/files/folder-reader.ts'
import { pushed } from '../../contract.ts'

const line = (progress: string): string => `${JSON.stringify({ ...pushed, progress })}\n`

/** The module on a disk from which files go between their reading and the question how big they are. */
const vanishing = (t: Test): Promise<typeof reader> => {
  const statSync = (): never => {
    throw Object.assign(new Error('gone'), { code: 'ENOENT' })
  }
  return t.mockImport<typeof reader>('../../../../src/store/file-store/files/folder-reader.ts', {
    'node:fs': { ...fs, statSync },
  })
}

t.test('records are those of the JSON files but auth.json', async (t) => {
  const dir = t.testdir({
    'auth.json': '{}',
    'abc.json': line('1'),
    '.tmp-1.json': line('2'),
    'x.json.corrupt-1': '',
    history: {},
  })
  t.same(reader.readRecords(dir), [{ path: join(dir, 'abc.json'), record: { ...pushed, progress: '1' } }])
})

t.test('for a damaged record the newest good row of its history stands in, and it is told', async (t) => {
  const history = { 'abc.jsonl': `${line('1')}${line('2')}{"torn` }
  const dir = t.testdir({ 'abc.json': '{', 'def.json': '[]', history })
  const damage: unknown[] = []
  const found = [{ path: join(dir, 'abc.json'), record: { ...pushed, progress: '2' } }]
  t.same(
    reader.readRecords(dir, (error) => damage.push(error)),
    found,
  )
  t.match(damage, { length: 2, 0: { code: 'DAMAGED_FILE' } })
  t.same(reader.readRecords(dir), found)
})

t.test('a record without a history is its only row', async (t) => {
  const dir = t.testdir({
    'abc.json': line('1'),
    'def.json': line('2'),
    history: { 'def.jsonl': line('1') + line('2') },
  })
  for (const [name, rows] of [
    ['abc', ['1']],
    ['def', ['1', '2']],
  ] as const) {
    const record = { ...pushed, progress: rows.at(-1) ?? '' }
    const found = reader.readRows({ path: join(dir, `${name}.json`), record })
    t.same(
      found.map(({ progress }) => progress),
      rows,
    )
  }
})

t.test('a folder has the size of all its files', async (t) => {
  const dir = t.testdir({ a: '123', history: { b: '4567' }, link: t.fixture('symlink', '/etc/passwd') })
  t.equal(reader.sizeOf(dir), 7)
})

t.test('what is gone has no records and no size', async (t) => {
  const none = join(t.testdir({}), 'none')
  t.same(reader.readRecords(none), [])
  t.equal(reader.sizeOf(none), 0)
  const dir = t.testdir({ 'abc.json': line('1') })
  const { readRecords, sizeOf } = await vanishing(t)
  t.same(readRecords(dir), [])
  t.equal(sizeOf(dir), 0)
})

t.test('what cannot be read for another reason rejects', async (t) => {
  t.throws(() => reader.readRecords(t.testdir({ 'abc.json': {} })), { code: 'EISDIR' })
})
