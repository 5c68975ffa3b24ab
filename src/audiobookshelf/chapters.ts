import type { BookText } from './epub.ts'
import type { AudioChapter } from './replies.ts'
import { foldTitle, isMatter, isSameTitle, type FoldedTitle } from './titles.ts'

/** A chapter of the text that a chapter of the audio reads. */
export interface AlignedChapter {
  /** Characters over the whole book. */
  from: number
  to: number
  /** Seconds over the whole book. */
  start: number
  end: number
}

interface TextChapter {
  title: FoldedTitle
  from: number
  to: number
}

interface SpokenChapter extends AudioChapter {
  folded: FoldedTitle
}

/** The fraction of the entries that must match a chapter by title. */
const leastMatched = 0.8

/** The factor by which a chapter's characters per second may differ from the median. */
const mostOff = 2

/** The most entries and chapters to compare: the work grows with the product of both. */
const mostChapters = 2000

/** Characters before each fragment; the last number is that of the whole book. */
export function startsOf({ fragments }: BookText): number[] {
  const starts = [0]
  for (const { characters } of fragments) starts.push(starts.at(-1)! + characters)
  return starts
}

/** The matched chapters; undefined if the table of contents does not fit the chapters of the audio. */
export function alignChapters(book: BookText, audio: AudioChapter[]): AlignedChapter[] | undefined {
  const spoken = audio.map((chapter) => ({ ...chapter, folded: foldTitle(chapter.title) }))
  if (spoken.length > mostChapters || book.contents.length > mostChapters) return undefined
  const lists = listsOf(book)
  for (const align of [alignTitles, alignNumbers]) {
    for (const list of lists) {
      const aligned = align(list, spoken)
      if (aligned && isAscending(aligned)) return aligned
    }
  }
  return undefined
}

/** The possible readings of the table of contents: all entries, the leaves, or the top level. */
function listsOf(book: BookText): TextChapter[][] {
  const { contents } = book
  const starts = startsOf(book)
  const isLeaf = (at: number): boolean => (contents[at + 1]?.depth ?? 0) <= contents[at]!.depth
  const kinds = [contents, contents.filter((_entry, at) => isLeaf(at)), contents.filter(({ depth }) => depth === 0)]
  return kinds.map((entries) => {
    const from = entries.map(({ fragment, before }) => starts[fragment - 1]! + before)
    return entries.map(({ title }, at) => ({
      title: foldTitle(title),
      from: from[at]!,
      to: from.slice(at + 1).find((next) => next > from[at]!) ?? starts.at(-1)!,
    }))
  })
}

function isAscending(aligned: AlignedChapter[]): boolean {
  return aligned.every(({ from, to, start }, at) => {
    const before = aligned[at - 1]
    return from < to && (!before || (before.to <= from && before.end <= start + 1))
  })
}

function alignTitles(entries: TextChapter[], spoken: SpokenChapter[]): AlignedChapter[] | undefined {
  const body = entries.filter(({ title }) => !isMatter(title))
  const pairs = commonSubsequence(body, spoken, (entry, chapter) => isSameTitle(entry.title, chapter.folded))
  if (pairs.length === 0 || pairs.length < leastMatched * body.length) return undefined
  return pairs.map(pair)
}

function alignNumbers(entries: TextChapter[], spoken: SpokenChapter[]): AlignedChapter[] | undefined {
  const body = entries.filter(({ title }) => !isMatter(title))
  const read = spoken.filter(({ folded, title }) => title === '' || !isMatter(folded))
  if (body.length === 0 || body.length !== read.length) return undefined
  const pairs = body.map((entry, at) => pair([entry, read[at]!]))
  const rates = pairs.map(({ from, to, start, end }) => (to - from) / (end - start))
  const median = rates.toSorted((one, other) => one - other)[Math.floor(rates.length / 2)]!
  return rates.every((rate) => rate >= median / mostOff && rate <= median * mostOff) ? pairs : undefined
}

function pair([{ from, to }, { start, end }]: [TextChapter, SpokenChapter]): AlignedChapter {
  return { from, to, start, end }
}

/** The longest sequence of pairs that is in order on both sides. */
function commonSubsequence<A, B>(ones: A[], others: B[], isPair: (one: A, other: B) => boolean): [A, B][] {
  const width = others.length + 1
  const lengths = new Uint16Array((ones.length + 1) * width)
  const pairs = new Uint8Array(ones.length * others.length)
  for (let at = ones.length - 1; at >= 0; at -= 1) {
    for (let to = others.length - 1; to >= 0; to -= 1) {
      const isOne = isPair(ones[at]!, others[to]!)
      if (isOne) pairs[at * others.length + to] = 1
      const [below, right] = [lengths[(at + 1) * width + to]!, lengths[at * width + to + 1]!]
      lengths[at * width + to] = isOne ? lengths[(at + 1) * width + to + 1]! + 1 : Math.max(below, right)
    }
  }
  const found: [A, B][] = []
  for (let at = 0, to = 0; at < ones.length && to < others.length;) {
    if (pairs[at * others.length + to] === 1) found.push([ones[at++]!, others[to++]!])
    else if (lengths[(at + 1) * width + to]! >= lengths[at * width + to + 1]!) at += 1
    else to += 1
  }
  return found
}
