import t from 'tap'
import { filenameMd5 } from '../../src/document-id.ts'
import type { Metadata, Progress } from '../../src/kosync/protocol.ts'
import { findMismatches, findTwins, matchingMethod } from '../../src/library/mismatches.ts'
import { pushed } from '../store/contract.ts'

const record = (document: string, metadata?: Metadata): Progress => ({
  ...pushed,
  document,
  ...(metadata && { metadata }),
})

const pairs = (...records: Progress[]): string[][] =>
  Array.from(findMismatches(records), ({ byContent, byFileName }) => [byContent.document, byFileName.document])

const id = filenameMd5('Dune.epub')

t.test('two ids of one book are found by the file name, or by the title, each pair once', (t) => {
  t.same(pairs(record(id), record('c0', { filename: 'Dune.epub' })), [['c0', id]])
  t.same(pairs(record(id, { filename: 'Dune.epub', title: 'Dune' }), record('c1', { title: 'Dune' })), [['c1', id]])
  const both = { filename: 'Dune.epub', title: 'Dune' }
  t.same(pairs(record(id, both), record('c0', both)), [['c0', id]])
  t.same(pairs(record('c1', { title: 'Dune' }), record('c0', both), record(id, both)), [
    ['c0', id],
    ['c1', id],
  ])
  t.end()
})

t.test('books without a title, or of one title by one method, are not one book', (t) => {
  t.same(pairs(record(id, { filename: 'Dune.epub', title: '' }), record('c0', { title: '' })), [])
  t.same(pairs(record('c0', { title: 'Dune' }), record('c1', { title: 'Dune' })), [])
  t.same(pairs(record(id), record('c1')), [])
  t.end()
})

t.test('of books that all have one title, the first pairs come without the others', (t) => {
  const names = Array.from({ length: 5000 }, (_, at) => `${at}.epub`)
  const records = names.map((filename) => record(filenameMd5(filename), { filename, title: 'x' }))
  const others = names.map((_, at) => record(`c${at}`, { title: 'x' }))
  const found = findMismatches([...records, ...others])
  for (let at = 0; at < 3; at += 1) t.equal(found.next().value?.byContent.document, `c${at}`)
  t.end()
})

t.test('the method is told by the file name, where a reader sends it', (t) => {
  const filename = 'Dune.epub'
  for (const [of, method] of [
    [record(id, { filename }), 'filename'],
    [record('c'.repeat(32), { filename }), 'content'],
    [record(id), undefined],
    [record(id, { title: 'Dune' }), undefined],
    [record('isbn 123', { filename }), undefined],
    [record(id.toUpperCase(), { filename }), undefined],
  ] as const) {
    t.equal(matchingMethod(of), method, of.document)
  }
  t.end()
})

t.test('twins of a document have its other id, or its title', (t) => {
  const twins = (of: Progress, ...others: Progress[]): string[] =>
    findTwins([of, ...others], of).map(({ document }) => document)
  const named = record('c0', { filename: 'Dune.epub' })
  t.same(twins(named, record(id), record('c1')), [id])
  t.same(twins(record(id), named, record('c1')), ['c0'])
  t.same(twins({ ...record('a'), title: 'Dune' }, record('b', { title: 'Dune' }), record('c', { title: 'Emma' })), [
    'b',
  ])
  t.same(twins(record('a'), record('b'), record('c', { title: '' })), [])
  t.end()
})
