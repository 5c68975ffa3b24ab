import t from 'tap'
import { listBooks, pageSize, type BookQuery } from '../../src/console/book-list.ts'
import type { Progress } from '../../src/kosync/protocol.ts'
import { pushed } from '../store/contract.ts'

const book = (document: string, more: Partial<Progress> = {}): Progress => ({ ...pushed, document, ...more })

const all: BookQuery = { search: '', shelf: 'all', page: 1 }

const idsOf = (records: Progress[], query: Partial<BookQuery> = {}): string[] =>
  listBooks(records, { ...all, ...query }).rows.map(({ record }) => record.document)

t.test('without a book there is one empty page', (t) => {
  const counts = { all: 0, reading: 0, finished: 0 }
  t.same(listBooks([], all), { rows: [], counts, page: 1, pages: 1 })
  t.same(listBooks([], { search: 'x', shelf: 'finished', page: 7 }), { rows: [], counts, page: 1, pages: 1 })
  t.end()
})

t.test('a row has the best title there is, and all that the list shows', (t) => {
  const [first, second] = listBooks(
    [
      book('a', { metadata: { filename: 'emma.epub', authors: 'Jane Austen' }, timestamp: 2 }),
      book('b', { metadata: { title: '' }, timestamp: 1 }),
    ],
    all,
  ).rows
  t.match(first, { record: { document: 'a', timestamp: 2 }, title: 'emma.epub', author: 'Jane Austen' })
  t.match(second, { record: { document: 'b' }, title: 'b', author: '' })
  t.end()
})

t.test('the book last read comes first, whatever its time', (t) => {
  const times = { early: -5, now: 1_800_000_000, future: 9e12, old: 0 }
  const books = Object.entries(times).map(([document, timestamp]) => book(document, { timestamp }))
  t.same(idsOf(books), ['future', 'now', 'old', 'early'])
  t.end()
})

t.test('a book is finished from 98 % on', (t) => {
  const parts = [0, 0.5, 0.979, 0.98, 1, 43, -1, NaN]
  const books = parts.map((percentage, at) => book(`${at}`, { percentage, timestamp: -at }))
  t.same(idsOf(books, { shelf: 'finished' }), ['3', '4', '5'])
  t.same(idsOf(books, { shelf: 'reading' }), ['0', '1', '2', '6', '7'])
  t.same(listBooks(books, all).counts, { all: 8, reading: 5, finished: 3 })
  t.end()
})

t.test('a search finds all words anywhere, whatever the case and the accents', (t) => {
  const books = [
    book('0a1b2c3d', { title: 'Mine', metadata: { title: 'Le Père Goriot', authors: 'Honoré de Balzac' } }),
    book('ffff0a1b', { metadata: { filename: 'Straße_ΟΔΟΣ.epub'.normalize('NFD') } }),
    book('c0ffee00', { title: 'Er\u200bnst\u202e' }),
    book('dddddddd'),
  ]
  for (const [search, ...found] of [
    ['  ', '0a1b2c3d', 'ffff0a1b', 'c0ffee00', 'dddddddd'],
    ['pere', '0a1b2c3d'],
    ['PÈRE  honoré', '0a1b2c3d'],
    ['mine goriot', '0a1b2c3d'],
    ['goriot emma'],
    ['strasse', 'ffff0a1b'],
    ['οδος', 'ffff0a1b'],
    ['ernst', 'c0ffee00'],
    ['0A1B', '0a1b2c3d'],
    ['ddd'],
    ['dddd', 'dddddddd'],
    ['.*'],
    ['\0'],
  ] as const) {
    t.same(idsOf(books, { search }), found, search)
  }
  t.end()
})

t.test('counts are those of the search', (t) => {
  const books = [book('a', { title: 'x', percentage: 1 }), book('b', { title: 'x' }), book('c', { percentage: 1 })]
  t.same(listBooks(books, { ...all, search: 'x', shelf: 'finished' }).counts, { all: 2, reading: 1, finished: 1 })
  t.end()
})

t.test('a list comes in pages, and a page that is not there is the nearest one', (t) => {
  const books = Array.from({ length: 2 * pageSize + 1 }, (_, at) => book(`${at}`, { timestamp: -at }))
  for (const [asked, page, length, first] of [
    [1, 1, pageSize, '0'],
    [2, 2, pageSize, `${pageSize}`],
    [3, 3, 1, `${2 * pageSize}`],
    [99, 3, 1, `${2 * pageSize}`],
    [-1, 1, pageSize, '0'],
  ] as const) {
    const found = listBooks(books, { ...all, page: asked })
    t.match(found, { page, pages: 3, rows: { length, 0: { record: { document: first } } } })
  }
  t.end()
})
