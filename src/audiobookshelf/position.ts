/** A position of KOReader: an XPointer of crengine, or the number of a page. */
export interface XPointer {
  /** From 1: the N-th itemref of the spine. */
  fragment: number
  /** The element in the fragment, as `body/p[7]`; an index of 1 is left out. Empty for the fragment itself. */
  path: string
  /** The text node in that element, from 1. */
  text: number | undefined
  /** Characters in that text node. */
  offset: number
}

const xpointer = /^\/body\/DocFragment(?:\[(\d+)\])?((?:\/[^/.]+)*)(?:\.(\d+))?$/

/** The XPointer; undefined if the text is none. */
export function parseXPointer(progress: string): XPointer | undefined {
  const [whole, index = '1', steps = '', offset = '0'] = xpointer.exec(progress) ?? []
  const fragment = Number(index)
  if (whole === undefined || fragment < 1 || fragment > mostFragments) return undefined
  const names = steps
    .split('/')
    .filter((step) => step !== '')
    .map((step) => step.toLowerCase().replace(/\[1\]$/, ''))
  const text = /^text\(\)(?:\[(\d+)\])?$/.exec(names.at(-1) ?? '')
  if (!text) return { fragment, path: names.join('/'), text: undefined, offset: 0 }
  return { fragment, path: names.slice(0, -1).join('/'), text: Number(text[1] ?? 1), offset: Number(offset) }
}

/** More than a book has. */
const mostFragments = 100_000

/** The start of a fragment, which is there in every book that has the fragment. */
export function fragmentStart(fragment: number): string {
  return `/body/DocFragment[${fragment}].0`
}

/** The number of the page; undefined if the text is none. */
export function parsePage(progress: string): number | undefined {
  return /^[1-9]\d{0,6}$/.test(progress) ? Number(progress) : undefined
}

/** The fragment of a CFI, half of its second number. Undefined if the text is no CFI. */
export function fragmentOfCfi(location: string | undefined): number | undefined {
  const number = Number(/^epubcfi\(\/\d+(?:\[[^\]]*\])?\/(\d+)/.exec(location ?? '')?.[1])
  return number >= 2 && number % 2 === 0 && number / 2 <= mostFragments ? number / 2 : undefined
}

/** The start of the fragment for epub.js, whatever the package looks like. */
export function cfiOfFragment(fragment: number): string {
  return `epubcfi(/6/${2 * fragment}!/4)`
}

/** Two places as fractions of the book, in one measure. */
export interface Place {
  progress: string
  /** The fraction of the book before the place: of its characters if known, else KOReader's percentage. */
  at: number
}

/**
 * The best existing place at or before the listener: the nearest earlier one of the document's history in the fragment,
 * else the start of the fragment. Undefined if the fragment is unknown and the history has no earlier place.
 */
export function choosePlace(history: Place[], at: number, fragment: number | undefined): string | undefined {
  const before = history.filter((place) => place.at <= at && isIn(place.progress, fragment))
  const nearest = before.reduce<Place | undefined>(
    (best, place) => (best && best.at > place.at ? best : place),
    undefined,
  )
  return nearest?.progress ?? (fragment === undefined ? undefined : fragmentStart(fragment))
}

function isIn(progress: string, fragment: number | undefined): boolean {
  const found = parseXPointer(progress)?.fragment
  return found !== undefined && (fragment === undefined || found === fragment)
}

/** The number of pages, estimated from the history; undefined if the history has no pages. */
export function countPages(history: { progress: string; percentage: number }[]): number | undefined {
  const counts = history.map(({ progress, percentage }) => {
    const page = parsePage(progress)
    return page === undefined || percentage <= 0 || percentage > 1 ? undefined : { page, count: page / percentage }
  })
  // The further into the book, the less its rounding matters.
  const [best] = counts.filter((each) => each !== undefined).toSorted((one, other) => other.page - one.page)
  return best && Math.max(Math.round(best.count), best.page)
}
