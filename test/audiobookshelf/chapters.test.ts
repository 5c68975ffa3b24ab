import t from 'tap'
import { alignChapters } from '../../src/audiobookshelf/chapters.ts'
import type { BookText, ContentsEntry } from '../../src/audiobookshelf/epub.ts'
import type { AudioChapter } from '../../src/audiobookshelf/replies.ts'
import { foldTitle, isMatter, isSameTitle } from '../../src/audiobookshelf/titles.ts'

/** A book of one fragment a chapter. */
function bookOf(chapters: [title: string, characters: number, depth?: number][]): BookText {
  return {
    fragments: chapters.map(([, characters]) => ({ characters, before: {} })),
    contents: chapters.map(([title, , depth = 0], at): ContentsEntry => ({
      title,
      depth,
      fragment: at + 1,
      before: 0,
    })),
  }
}

function audioOf(...chapters: [title: string, seconds: number][]): AudioChapter[] {
  let start = 0
  return chapters.map(([title, seconds]) => ({ title, start, end: (start += seconds) }))
}

t.test('folds case, accents, punctuation, number words and roman numerals', (t) => {
  const same: [string, string][] = [
    ['Chapter 1', 'CHAPTER ONE'],
    ['Chapter XXI', 'Chapter Twenty-One.'],
    ['Chapter 21: The Whale', 'Chapter 21'],
    ['Loomings', '1. Loomings'],
    ['I. Loomings', 'Chapter 1 - Loomings'],
    ['L\u2019Été', 'L’ete'],
    ['First', 'I'],
    ['Chapter Forty', '40'],
    ['XLIX', '49'],
    ['03', '3'],
    ['Track 7', 'Chapter Seven'],
  ]
  for (const [one, other] of same) t.ok(isSameTitle(foldTitle(one), foldTitle(other)), `${one} = ${other}`)
  const different: [string, string][] = [
    ['Chapter 1', 'Chapter 2'],
    ['1. Loomings', '1. The Whale'],
    ['1. Loomings', '2. Loomings'],
    ['', ''],
    ['Loomings', ''],
    ['Loomings', 'The Whale'],
    ['Mixed', 'M'],
  ]
  for (const [one, other] of different) t.notOk(isSameTitle(foldTitle(one), foldTitle(other)), `${one} ≠ ${other}`)
  t.end()
})

t.test('knows front and back matter', (t) => {
  for (const title of [
    'Cover',
    'Opening Credits',
    'Title Page',
    'Copyright © 1999',
    'About the Author',
    'Notes',
    '',
    'Index',
  ]) {
    t.ok(isMatter(foldTitle(title)), title)
  }
  for (const title of ['Chapter 1', 'Prologue', 'Epilogue', 'The Notebook', 'Covert'])
    t.notOk(isMatter(foldTitle(title)), title)
  t.end()
})

t.test('aligns by titles when four of five of the contents are in the audio, in order', (t) => {
  const book = bookOf([
    ['Cover', 5],
    ['One', 100],
    ['Two', 100],
    ['Three', 100],
    ['Four', 100],
    ['Interlude', 50],
    ['Notes', 900],
  ])
  const audio = audioOf(['Opening Credits', 20], ['1', 10], ['2', 10], ['3', 10], ['4', 10], ['End Credits', 30])
  t.same(alignChapters(book, audio), [
    { from: 5, to: 105, start: 20, end: 30 },
    { from: 105, to: 205, start: 30, end: 40 },
    { from: 205, to: 305, start: 40, end: 50 },
    { from: 305, to: 405, start: 50, end: 60 },
  ])
  const fewer = bookOf([
    ['One', 100],
    ['Two', 100],
    ['Three', 100],
    ['A', 100],
    ['B', 50],
  ])
  t.equal(alignChapters(fewer, audio), undefined)
  t.end()
})

t.test('titles that are in another order do not count', (t) => {
  const book = bookOf([
    ['B', 100],
    ['A', 100],
    ['C', 500],
  ])
  t.equal(alignChapters(book, audioOf(['A', 10], ['B', 10], ['C', 10])), undefined)
  t.end()
})

t.test('aligns by number when the rates are alike, front and back matter aside', (t) => {
  const book = bookOf([
    ['Cover', 5],
    ['Alpha', 100],
    ['Beta', 210],
    ['About the author', 70],
  ])
  const tracks = audioOf(['track-a.mp3', 10], ['track-b.mp3', 20])
  t.same(alignChapters(book, tracks), [
    { from: 5, to: 105, start: 0, end: 10 },
    { from: 105, to: 315, start: 10, end: 30 },
  ])
  t.ok(alignChapters(book, audioOf(['', 10], ['', 20])), 'chapters without titles')
  t.equal(alignChapters(book, audioOf(['x', 10], ['y', 200])), undefined, 'other rates')
  t.equal(alignChapters(book, audioOf(['x', 10])), undefined, 'another number')
  t.equal(alignChapters(bookOf([]), []), undefined)
  t.end()
})

t.test('the contents may have parts, of which the chapters or the parts are read', (t) => {
  const book = bookOf([
    ['Part A', 10],
    ['x', 100, 1],
    ['y', 100, 1],
    ['Part B', 10],
    ['z', 100, 1],
  ])
  const leaves = alignChapters(book, audioOf(['1', 10], ['2', 11], ['3', 10]))
  t.match(leaves, [
    { from: 10, to: 110 },
    { from: 110, to: 220 },
    { from: 220, to: 320, start: 21 },
  ])
  t.match(alignChapters(book, audioOf(['Disc', 21], ['Other', 11])), [
    { from: 0, to: 210 },
    { from: 210, to: 320 },
  ])
  t.end()
})

t.test('contents out of order, and more chapters than a book has, are not aligned', (t) => {
  const book = bookOf([
    ['One', 100],
    ['Two', 100],
  ])
  book.contents.reverse()
  t.equal(alignChapters(book, audioOf(['Two', 10], ['One', 10])), undefined)
  const many = audioOf(...Array.from({ length: 2001 }, (_, at): [string, number] => [`${at}`, 1]))
  t.equal(alignChapters(book, many), undefined)
  const twice = bookOf([
    ['One', 100],
    ['Two', 0],
    ['Three', 0],
  ])
  t.equal(alignChapters(twice, audioOf(['One', 10], ['Two', 10], ['Three', 10])), undefined)
  t.end()
})
