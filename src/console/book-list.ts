import type { Progress } from '../kosync/protocol.ts'
import { titleOf } from '../library/titles.ts'

/** The shelves: filters of the list. */
export const shelves = ['all', 'reading', 'finished'] as const

export type Shelf = (typeof shelves)[number]

/** A book in the list. */
export interface BookRow {
  record: Progress
  /** The title that a person gave, the book's own, the file name, or the id, whichever comes first. */
  title: string
  /** Empty if the reader did not send it. */
  author: string
}

export interface BookQuery {
  /** Words of the search: in a title, author, file name or at the start of an id; case and accents are ignored. */
  search: string
  shelf: Shelf
  /** From 1. */
  page: number
}

export interface BookPage {
  /** The latest read first. */
  rows: BookRow[]
  /** The number of books that the search finds on each shelf. */
  counts: Record<Shelf, number>
  /** From 1; the last page if the requested one does not exist. */
  page: number
  pages: number
}

/** Books on one page: some 25 kB of HTML. */
export const pageSize = 50

/** The fraction from which a book counts as finished: the last pages are seldom read. */
const finishedFrom = 0.98

/** One page of the list. */
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

/** Characters of a text that a search examines: a stranger's title may be a megabyte. */
const searched = 1000

/** The least characters of a word that may be the start of an id: a shorter one matches by chance. */
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
