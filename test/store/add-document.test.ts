import t from 'tap'
import type { Progress } from '../../src/kosync/protocol.ts'
import { addDocument } from '../../src/store/add-document.ts'
import { interleaveRows, withRows } from '../../src/store/file-store/files/rows.ts'
import { pushed } from './contract.ts'

/** Rows such as `A5 B7`: a position and its time. */
const read = (text: string): Progress[] =>
  text
    .split(' ')
    .flatMap((row) => (row === '' ? [] : [{ ...pushed, progress: row[0]!, timestamp: Number(row.slice(1)) }]))
const write = (rows: Progress[]): string => rows.map(({ progress, timestamp }) => progress + timestamp).join(' ')

for (const [what, ours, record, theirs, expected, rows, isLatest] of [
  ['a newer position', 'A1', 'A1', 'B2', 'B2', 'A1 B2', true],
  ['an older position', 'B2', 'B2', 'A1', 'B2', 'A1 B2', false],
  ['a position of the same second', 'B2', 'B2', 'A2', 'B2', 'B2 A2 B2', false],
  ['its own archive', 'A1 B2', 'B2', 'A1 B2', 'B2', 'A1 B2', false],
  ['its own archive after a repeat', 'A10 B20', 'B30', 'A10 B20 B30', 'B30', 'A10 B20', false],
  ['a repeat of its position', 'A10 B20', 'B20', 'A10 B20 B30', 'B30', 'A10 B20', true],
  ['what it was before its clock was right', 'B900 C5', 'C5', 'B900 B950', 'C5', 'B900 C5', false],
  ['what it became when the clock was right', 'B900', 'B950', 'B900 C5', 'C5', 'B900 C5', true],
  ['rows before its own, the clock ahead', 'K5', 'K5', 'X900 K5', 'K5', 'X900 K5', false],
  ['rows before its own, of one second', 'C7 D7', 'D7', 'A7 B7 C7 D7', 'D7', 'A7 B7 C7 D7', false],
  ['rows between its own', 'A1 D9', 'D9', 'A1 B900 C3', 'D9', 'A1 B900 C3 D9', false],
  ['a position while its own is in no row', 'A900', 'C5', 'B3', 'C5', 'B3 A900 C5', false],
  ['the first position', '', '', 'A1 B900 C2', 'C2', 'A1 B900 C2', true],
] as const) {
  t.test(`a document gets ${what}, and nothing by a second time`, async (t) => {
    const [known] = read(record)
    const once = addDocument({ record: known, rows: read(ours) }, { rows: read(theirs) })
    t.same([write([once.record]), write(once.rows), once.isLatest], [expected, rows, isLatest])
    const twice = addDocument(once, { rows: read(theirs) })
    t.same([twice.record, twice.rows, twice.isLatest, twice.added], [once.record, once.rows, false, 0])
  })
}

t.test('no row is lost, and each list keeps its order, whatever the times are', async (t) => {
  let seed = 7
  const next = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below
  const list = (): Progress[] =>
    Array.from({ length: next(7) }, () => ({
      ...pushed,
      progress: 'ABCDEF'[next(6)]!,
      timestamp: next(4) * (next(5) === 0 ? 900 : 1),
    }))
  for (let round = 0; round < 2000; round += 1) {
    const [ours, theirs] = [list(), list()]
    const merged = interleaveRows(ours, theirs)
    const texts = new Set(merged.map((row) => write([row])))
    t.ok(
      [...ours, ...theirs].every((row) => texts.has(write([row]))),
      `${write(ours)} | ${write(theirs)}`,
    )
    t.same(
      merged.filter((row) => ours.includes(row)),
      ours,
    )
    const added = merged.filter((row) => !ours.includes(row))
    t.same(
      added,
      theirs.filter((row) => added.includes(row)),
    )
  }
})

for (const [rows, unwritten, expected] of [
  ['A1 B2', 'C3', 'A1 B2 C3'],
  ['A1 B2', 'B2 C3', 'A1 B2 C3'],
  ['A1 B2', 'A1 B2', 'A1 B2'],
  ['P900', 'Q5', 'P900 Q5'],
  ['A7 B7', 'A7', 'A7 B7 A7'],
  ['', 'A1', 'A1'],
  ['A1', '', 'A1'],
] as const) {
  t.test(`behind the history "${rows}" come "${unwritten}"`, async (t) => {
    t.equal(write(withRows(read(rows), read(unwritten))), expected)
  })
}
