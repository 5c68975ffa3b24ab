import t from 'tap'
import { bookPath, bookTitle, clip, documentOf, readerName, shortName } from '../../src/console/names.ts'
import { pushed } from '../store/contract.ts'

t.test('the path of a book has its id, in a form that browsers and proxies leave as it is', (t) => {
  for (const document of [
    '35322b7036d0c3298eedde8c30429693',
    'a_b-C',
    '..',
    '.',
    '',
    'a/b',
    '%2e%2e',
    '~x',
    'a b?c#d',
    'é😀\0\n',
    'x'.repeat(1024),
  ]) {
    const path = bookPath(document)
    t.match(path, /^\/books\/~?[\w-]*$/)
    t.equal(documentOf(path.slice('/books/'.length)), document, document)
  }
  t.equal(bookPath('a_b-C'), '/books/a_b-C')
  t.end()
})

t.test('what is no path of a book is some id that nobody has', (t) => {
  for (const part of ['~', '~%', '~🐛', '~\0', '🐛']) t.ok(documentOf(part).isWellFormed(), part)
  t.end()
})

t.test('a long text is cut between characters', (t) => {
  t.equal(clip('abc', 3), 'abc')
  t.equal(clip('abcd', 3), 'abc…')
  t.equal(clip('ab😀', 3), 'ab…')
  t.equal(String(shortName('x'.repeat(201))), `<bdi>${'x'.repeat(200)}…</bdi>`)
  t.end()
})

t.test('a book without a title goes by its id, a reader without a name by words', (t) => {
  t.equal(bookTitle({ ...pushed, title: 'Dune' }), 'Dune')
  t.equal(bookTitle(pushed), 'abc')
  t.equal(String(readerName({ device: 'Kobo' })), '<bdi>Kobo</bdi>')
  t.equal(String(readerName({ device: '' })), 'a reader without a name')
  t.equal(String(readerName({ device: 'kss', device_id: 'kss' })), 'kss, put back')
  t.end()
})
