/** Parsers of Audiobookshelf's replies; lenient, as its API is not stable. */

/** A media progress. */
export interface Remote {
  currentTime: number
  duration: number
  ebookProgress: number
  ebookLocation: string | undefined
  isFinished: boolean
  /** Milliseconds since 1970. */
  lastUpdate: number
}

export interface AudioChapter {
  /** Seconds over the whole book. */
  start: number
  end: number
  title: string
}

export interface Ebook {
  ino: string
  size: number
  mtimeMs: number
  /** As `epub`, `pdf`, `cbz`. */
  format: string
  fileName: string
}

export interface Item {
  id: string
  isBook: boolean
  isMissing: boolean
  title: string
  author: string
  /** Seconds; 0 without audio. */
  duration: number
  chapters: AudioChapter[]
  ebook: Ebook | undefined
}

export interface Library {
  id: string
  name: string
}

/** The fields of a JSON object; any other value counts as an empty one. */
export type Fields = Record<string, unknown>

export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}
}

export function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

/** A finite number, perhaps as text, since Audiobookshelf stores values as sent; else undefined. */
export function numberOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : ''
}

/** At least 0. */
function amountOf(value: unknown): number {
  return Math.max(numberOf(value) ?? 0, 0)
}

/** Parses a progress; undefined if it is none, or has no time of its last change, which the guards need. */
export function readRemote(value: unknown): Remote | undefined {
  const fields = fieldsOf(value)
  const lastUpdate = numberOf(fields['lastUpdate'])
  if (lastUpdate === undefined || numberOf(fields['currentTime'] ?? 0) === undefined) return undefined
  return {
    currentTime: amountOf(fields['currentTime']),
    duration: amountOf(fields['duration']),
    ebookProgress: Math.min(amountOf(fields['ebookProgress']), 1),
    ebookLocation: textOf(fields['ebookLocation']) || undefined,
    isFinished: fields['isFinished'] === true,
    lastUpdate,
  }
}

/** Parses an item; undefined if it is none. */
export function readItem(value: unknown): Item | undefined {
  const fields = fieldsOf(value)
  const media = fieldsOf(fields['media'])
  const metadata = fieldsOf(media['metadata'])
  const id = textOf(fields['id'])
  if (id === '' || fields['media'] === undefined) return undefined
  return {
    id,
    isBook: fields['mediaType'] === 'book',
    isMissing: fields['isMissing'] === true,
    title: textOf(metadata['title']),
    author: textOf(metadata['authorName']),
    duration: amountOf(media['duration']) || endOf(media),
    chapters: readChapters(media),
    ebook: readEbook(media['ebookFile']),
  }
}

/** Of the last file. */
function endOf(media: Fields): number {
  return Math.max(0, ...readTracks(media).map(({ end }) => end))
}

function readTracks(media: Fields): AudioChapter[] {
  return listOf(media['tracks']).map((each) => {
    const { startOffset, duration, title } = fieldsOf(each)
    const start = amountOf(startOffset)
    return { start, end: start + amountOf(duration), title: textOf(title) }
  })
}

/** The chapters; for several files without chapters, the files. */
function readChapters(media: Fields): AudioChapter[] {
  const chapters = listOf(media['chapters']).map((each) => {
    const { start, end, title } = fieldsOf(each)
    return { start: amountOf(start), end: amountOf(end), title: textOf(title) }
  })
  const tracks = readTracks(media)
  const found = chapters.length > 0 || tracks.length < 2 ? chapters : tracks
  return found.filter(({ start, end }) => end > start).toSorted((one, other) => one.start - other.start)
}

function readEbook(value: unknown): Ebook | undefined {
  const { ino, metadata, ebookFormat } = fieldsOf(value)
  const { size, mtimeMs, ext, filename } = fieldsOf(metadata)
  const bytes = amountOf(size)
  if (bytes === 0) return undefined
  const format = (textOf(ebookFormat) || textOf(ext).replace('.', '')).toLowerCase()
  return { ino: textOf(ino), size: bytes, mtimeMs: amountOf(mtimeMs), format, fileName: textOf(filename) }
}

export function readLibraries(value: unknown): Library[] {
  return listOf(fieldsOf(value)['libraries'])
    .map(fieldsOf)
    .filter((each) => each['mediaType'] === 'book' && textOf(each['id']) !== '')
    .map((each) => ({ id: textOf(each['id']), name: textOf(each['name']) }))
}

export interface ItemPage {
  ids: string[]
  total: number
}

export function readItemPage(value: unknown): ItemPage {
  const { results, total } = fieldsOf(value)
  const ids = listOf(results).map((each) => textOf(fieldsOf(each)['id']))
  return { ids: ids.filter((id) => id !== ''), total: amountOf(total) }
}

/** The items that a search found. */
export function readFound(value: unknown): Item[] {
  const found = listOf(fieldsOf(value)['book']).map((each) => readItem(fieldsOf(each)['libraryItem']))
  return found.filter((item) => item !== undefined)
}
