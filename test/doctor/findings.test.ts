import t from 'tap'
import { filenameMd5 } from '../../src/document-id.ts'
import { findInRecords, findTroubles, lastOf, type Finding } from '../../src/doctor/findings.ts'
import type { Progress } from '../../src/kosync/protocol.ts'

const now = 1_700_000_000
const day = 86_400

const kobo = { device: 'Kobo', device_id: 'K' }
const phone = { device: 'Phone', device_id: 'P' }
const base: Progress = { document: 'abc', percentage: 0.5, progress: '1', device: 'Kobo', timestamp: now - day }

interface Book {
  record: Progress
  rows: Progress[]
}

const book = (record: Progress, rows: Progress[] = [record]): Book => ({ record, rows })

/** What is found now, in books with these histories. */
async function find(...books: Book[]): Promise<Finding[]> {
  const rows = new Map(books.map((each) => [each.record, each.rows]))
  const records = books.map(({ record }) => record)
  return await findTroubles(records, now, async (record) => rows.get(record)!)
}

const kinds = (findings: Finding[]): string[] => findings.map(({ kind }) => kind)

t.test('nothing is wrong with what was pushed lately', async (t) => {
  t.same(await find(book(base), book({ ...base, document: 'def' })), [])
})

t.test('an account without a record is told, and one that is silent for a month', async (t) => {
  t.same(await find(), [{ kind: 'never' }])
  const old = { ...base, timestamp: now - 31 * day }
  t.same(await find(book(old), book({ ...old, document: 'older', timestamp: 5 })), [{ kind: 'silent', record: old }])
  t.same(await find(book(old), book(base)), [])
})

t.test('the record that was pushed last is the one with the newest time', async (t) => {
  t.equal(lastOf([]), undefined)
  const newer = { ...base, timestamp: now }
  t.equal(lastOf([base, newer, { ...base, timestamp: 3 }]), newer)
})

t.test('a restore is no push of a reader', async (t) => {
  const restored = { ...base, document: 'def', device: 'kss', device_id: 'kss', timestamp: now }
  const old = { ...base, timestamp: now - 31 * day }
  t.equal(lastOf([restored, base]), base)
  t.equal(lastOf([restored]), undefined)
  t.same(await find(book(old), book(restored)), [{ kind: 'silent', record: old }])
  t.same(await find(book(restored)), [], 'a reader pushed what it put back')
})

t.test('one book by content and by file name is a mismatch', async (t) => {
  const metadata = { filename: 'Dune.epub', title: 'Dune' }
  const byContent = { ...base, ...kobo, metadata }
  const byFileName = { ...base, ...phone, document: filenameMd5('Dune.epub'), metadata }
  t.same(findInRecords([byContent, byFileName], now), [{ kind: 'mismatch', byContent, byFileName }])
})

t.test('one title under two ids of two readers is two files; of one reader it is not', async (t) => {
  const metadata = { title: 'Emma', authors: 'Austen' }
  const one = { ...base, ...kobo, metadata }
  const other = { ...base, ...phone, document: 'def', metadata }
  t.same(findInRecords([one, other], now), [{ kind: 'twoFiles', one, other }])
  t.same(findInRecords([one, { ...other, ...kobo }], now), [])
  t.same(findInRecords([one, { ...other, device: 'kss', device_id: 'kss' }], now), [], 'nor is a restore')
  t.same(findInRecords([one, { ...other, metadata: { title: 'Emma', authors: 'Another' } }], now), [])
  t.same(
    findInRecords(
      [
        { ...one, metadata: { title: '' } },
        { ...other, metadata: { title: '' } },
      ],
      now,
    ),
    [],
  )
})

t.test('a time of the future is told, but not one of a clock that is a little ahead', async (t) => {
  const record = { ...base, timestamp: now + 3600 }
  t.same(findInRecords([record, { ...base, timestamp: now + 60 }], now), [{ kind: 'ahead', record }])
})

t.test('a reader that takes a book far back from where another one was is told', async (t) => {
  const before = { ...base, ...phone, percentage: 0.6 }
  const record = { ...base, ...kobo, percentage: 0.03 }
  t.same(await find(book(record, [before, record])), [{ kind: 'backwards', record, before }])
  const between = { ...record, percentage: 0.7 }
  t.same(kinds(await find(book(record, [before, between, record]))), ['backwards'], 'also in several pushes')
})

for (const [what, record, before] of [
  ['a reader that pages back by itself', { ...base, ...kobo, percentage: 0.1 }, { ...base, ...kobo, percentage: 0.9 }],
  ['a page or two', { ...base, ...kobo, percentage: 0.58 }, { ...base, ...phone, percentage: 0.6 }],
  ['a step forwards', { ...base, ...kobo, percentage: 0.9 }, { ...base, ...phone, percentage: 0.6 }],
  ['a restore', { ...base, device: 'kss', device_id: 'kss', percentage: 0.1 }, { ...base, ...phone, percentage: 0.6 }],
  [
    'a book that was finished and is read anew',
    { ...base, ...kobo, percentage: 0.1 },
    { ...base, ...phone, percentage: 0.98 },
  ],
  [
    'a book that nobody read for a month',
    { ...base, ...kobo, percentage: 0.1 },
    { ...base, ...phone, percentage: 0.6, timestamp: now - 31 * day },
  ],
  ['readers without an id that have one name', { ...base, percentage: 0.1 }, { ...base, percentage: 0.9 }],
] as const) {
  t.test(`${what} is no step backwards`, async (t) => {
    t.same(await find(book(record, [before, record])), [])
  })
}

t.test('an old step backwards is not told any more, and its history is not read', async (t) => {
  const readHistory = (): never => t.fail('it is read') as never
  t.same(kinds(await findTroubles([{ ...base, timestamp: now - 40 * day }], now, readHistory)), ['silent'])
})

t.test('findings of a kind are 20 at most, and histories are read of the latest 40 books', async (t) => {
  const before = { ...base, ...phone, percentage: 0.6 }
  const records = Array.from({ length: 300 }, (_, number) => {
    return { ...base, ...kobo, document: `${number}`, percentage: 0, timestamp: now - number }
  })
  t.equal((await find(...records.map((record) => book(record, [before, record])))).length, 20)
  const read: Progress[] = []
  t.same(await findTroubles(records, now, async (record) => (read.push(record), [record])), [])
  t.same(read, records.slice(0, 40))
  const ahead = records.map((record) => ({ ...record, timestamp: now + day }))
  t.equal(findInRecords(ahead, now).length, 20)
})
