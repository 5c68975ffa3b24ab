import { alignChapters, startsOf, type AlignedChapter } from './chapters.ts'
import type { BookText } from './epub.ts'
import { parseXPointer } from './position.ts'
import type { AudioChapter } from './replies.ts'

/** The method that maps places to times. */
export type Method = 'chapters' | 'proportional' | 'ebook only'

/** A reader's position. */
export interface Position {
  progress: string
  percentage: number
}

/** A listener's place in the book. */
export interface BookPlace {
  /** KOReader's percentage, from 0 to 1, as exact as known. */
  percentage: number
  /** The fraction of the book before the place: of its characters if known, else the percentage. */
  at: number
  /** The fragment; undefined without the text of the book. */
  fragment: number | undefined
}

export interface MappingFacts {
  /** Seconds; 0 without audio. */
  duration: number
  chapters: AudioChapter[]
  /** The text; undefined without a readable EPUB. */
  book: BookText | undefined
  /** The document's own positions. */
  history: Position[]
}

/** A piecewise linear function that never decreases. */
interface Curve {
  xs: number[]
  ys: number[]
}

/** Maps places of a document to times of its audiobook, and back. */
export class Mapping {
  readonly method: Method
  readonly #duration: number
  readonly #book: BookText | undefined
  readonly #starts: number[]
  readonly #chapters: Curve | undefined
  readonly #percentages: Curve

  constructor({ duration, chapters, book, history }: MappingFacts) {
    this.#duration = duration
    this.#book = book
    this.#starts = book ? startsOf(book) : [0]
    const aligned = book && duration > 0 ? alignChapters(book, chapters) : undefined
    this.#chapters = aligned && curveOf(aligned)
    this.method = aligned ? 'chapters' : duration > 0 ? 'proportional' : 'ebook only'
    this.#percentages = this.#percentageCurve(history)
  }

  /** Seconds. */
  toSeconds(position: Position): number {
    const characters = this.#chapters && this.#charactersOf(position)
    if (characters === undefined) return clamp(position.percentage, 0, 1) * this.#duration
    return clamp(interpolate(this.#chapters!.xs, this.#chapters!.ys, characters), 0, this.#duration)
  }

  toPlace(seconds: number): BookPlace {
    const { xs, ys } = this.#percentages
    if (!this.#chapters) return this.toPlaceOfEbook(clamp(seconds / this.#duration, 0, 1), undefined)
    const characters = interpolate(this.#chapters.ys, this.#chapters.xs, seconds)
    return this.#placeOf(characters, interpolate(xs, ys, characters))
  }

  /** The place of Audiobookshelf's ebook reader: its fraction of the book, and the fragment if known. */
  toPlaceOfEbook(fraction: number, fragment: number | undefined): BookPlace {
    const { xs, ys } = this.#percentages
    if (!this.#book) return { percentage: fraction, at: fraction, fragment }
    const characters = interpolate(ys, xs, fraction)
    const [from, to] = this.#rangeOf(fragment) ?? [0, this.#total]
    // The end of a fragment is the start of the next one.
    const inside = clamp(characters, from, Math.max(from, to - 1))
    return { ...this.#placeOf(inside, fraction), ...(fragment !== undefined && { fragment }) }
  }

  /** The time of a place of this mapping, in seconds. */
  secondsOf({ at, percentage }: BookPlace): number {
    if (!this.#chapters) return clamp(percentage, 0, 1) * this.#duration
    return interpolate(this.#chapters.xs, this.#chapters.ys, at * this.#total)
  }

  /** The fraction of the book before the position, in the measure of BookPlace. */
  at(position: Position): number {
    const characters = this.#charactersOf(position)
    return characters === undefined ? position.percentage : characters / this.#total
  }

  get #total(): number {
    return Math.max(this.#starts.at(-1)!, 1)
  }

  #placeOf(characters: number, percentage: number): BookPlace {
    const last = this.#starts.findLastIndex((start, at) => start <= characters && this.#starts[at + 1]! > start)
    return { percentage, at: characters / this.#total, fragment: Math.max(last, 0) + 1 }
  }

  /** The characters before the fragment and up to its end; undefined without the text, or if it has no such fragment. */
  #rangeOf(fragment: number | undefined): [number, number] | undefined {
    if (!this.#book || fragment === undefined || fragment > this.#book.fragments.length) return undefined
    return [this.#starts[fragment - 1]!, this.#starts[fragment]!]
  }

  #charactersOf(position: Position): number | undefined {
    const range = this.#rangeOf(parseXPointer(position.progress)?.fragment)
    if (!range) return undefined
    const { xs, ys } = this.#percentages
    const characters = this.#findElement(position.progress) ?? interpolate(ys, xs, position.percentage)
    return clamp(characters, ...range)
  }

  /** Characters before the position; undefined if it is not in the text. */
  #findElement(progress: string): number | undefined {
    const { fragment, path, text, offset } = parseXPointer(progress)!
    const start = this.#starts[fragment - 1]!
    const { before } = this.#book!.fragments[fragment - 1]!
    if (path === '' || path === 'body') return text === undefined ? start : undefined
    if (text === undefined) return Object.hasOwn(before, path) ? start + before[path]! : undefined
    const named = `${path}/text()${text > 1 ? `[${text}]` : ''}`
    // A first text node that begins its element is not kept.
    const key = Object.hasOwn(before, named) ? named : text === 1 ? path : ''
    return Object.hasOwn(before, key) ? start + before[key]! + offset : undefined
  }

  /** Maps characters to KOReader's percentage, by the document's own positions. */
  #percentageCurve(history: Position[]): Curve {
    const curve: Curve = { xs: [0], ys: [0] }
    const known = this.#book ? history.map((position) => this.#pairOf(position)) : []
    const sorted = known.filter((pair) => pair !== undefined).toSorted(([one], [other]) => one - other)
    for (const [characters, percentage] of sorted) {
      if (characters > curve.xs.at(-1)! && percentage > curve.ys.at(-1)! && percentage < 1)
        push(curve, characters, percentage)
    }
    if (this.#total > curve.xs.at(-1)!) push(curve, this.#total, 1)
    return curve
  }

  #pairOf({ progress, percentage }: Position): [number, number] | undefined {
    if (!this.#rangeOf(parseXPointer(progress)?.fragment)) return undefined
    const characters = this.#findElement(progress)
    return characters === undefined ? undefined : [characters, percentage]
  }
}

function push(curve: Curve, x: number, y: number): void {
  curve.xs.push(x)
  curve.ys.push(y)
}

/** Maps characters to seconds; linear between the chapters. */
function curveOf(aligned: AlignedChapter[]): Curve {
  const curve: Curve = { xs: [], ys: [] }
  for (const { from, to, start, end } of aligned) {
    push(curve, from, Math.max(start, curve.ys.at(-1) ?? 0))
    push(curve, to, end)
  }
  return curve
}

/** The value at x; outside the points, that of the nearer end. */
function interpolate(xs: number[], ys: number[], x: number): number {
  const at = xs.findLastIndex((each) => each <= x)
  if (at === -1) return ys[0]!
  const [x0, x1, y0, y1] = [xs[at]!, xs[at + 1], ys[at]!, ys[at + 1]]
  if (x1 === undefined || y1 === undefined) return y0
  return y0 + ((x - x0) / (x1 - x0)) * (y1 - y0)
}

export function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most)
}
