import type { Progress } from '../kosync/protocol.ts'
import { titleOf } from '../library/titles.ts'

/** What of the books is shown. */
export const shelves = ['all', 'reading', 'finished'] as const

export type Shelf = (typeof shelves)[number]

/** A book as the list shows it. */
export interface BookRow {
  record: Progress
  /** The operator's, the book's own, the file's name, or else the id. */
  title: string
  /** Empty when the reader did not say. */
  author: string
}

export interface BookQuery {
  /** Words that a title, author, file name or the beginning of an id must have, whatever the case and the accents. */
  search: string
  shelf: Shelf
  /** From 1. */
  page: number
}

export interface BookPage {
  /** The one last read first. */
  rows: BookRow[]
  /** How many books the search finds on each shelf. */
  counts: Record<Shelf, number>
  /** From 1; the last one when another was asked for that there is not. */
  page: number
  pages: number
}

/** Books on one page: some 25 kB of HTML. */
export const pageSize = 50

/** From here on a book counts as finished: the last pages are seldom read. */
const finishedFrom = 0.98

/** What a page of the list of books shows. */
export function listBooks(records: Progress[], { search, shelf, page: asked }: BookQuery): BookPage {
  const words = fold(search).split(/\s+/u).filter(Boolean)
  const found = words.length === 0 ? records : records.filter((record) => hasAll(record, words))
  const finished = found.filter(isFinished)
  const counts = { all: found.length, reading: found.length - finished.length, finished: finished.length }
  const shown = { all: found, finished, reading: found.filter((record) => !isFinished(record)) }[shelf]
  const pages = Math.max(Math.ceil(shown.length / pageSize), 1)
  const page = Math.min(Math.max(asked, 1), pages)
  const sorted = shown.toSorted((one, other) => other.timestamp - one.timestamp)
  return { rows: sorted.slice((page - 1) * pageSize, page * pageSize).map(rowOf), counts, page, pages }
}

/** Whether the book counts as finished. */
export function isFinished({ percentage }: Progress): boolean {
  return percentage >= finishedFrom
}

function rowOf(record: Progress): BookRow {
  return { record, title: titleOf(record) || record.document, author: record.metadata?.authors ?? '' }
}

/** Characters of a text in which a search looks: a stranger's title may be a megabyte. */
const searched = 1000

/** Characters of an id that a word must have: a short one begins some id by chance. */
const shortestId = 4

function hasAll(record: Progress, words: string[]): boolean {
  const { title = '', document, metadata: { title: own = '', authors = '', filename = '' } = {} } = record
  const text = [title, own, authors, filename].map((each) => fold(each.slice(0, searched))).join('\n')
  const id = fold(document)
  return words.every((word) => text.includes(word) || (word.length >= shortestId && id.startsWith(word)))
}

/** Without case, accents and marks of direction. In capitals, ß is SS and both Greek sigmas are one. */
function fold(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/[\p{M}\p{Cf}]/gu, '')
    .toUpperCase()
}
