import { clamp } from './mapping.ts'
import { cfiOfFragment, parsePage, parseXPointer } from './position.ts'
import type { Item } from './replies.ts'

/** A push of a reader. */
export interface Pushed {
  document: string
  progress: string
  percentage: number
  device: string
  /** Seconds since 1970. */
  timestamp: number
}

/** The position in a PATCH. */
export interface Values {
  /** Seconds; set if the item has audio. */
  currentTime?: number
  /** Set if the item has an ebook. */
  ebookProgress?: number
  /** Whether this ends the book. */
  finishes: boolean
}

/** Seconds before the end at which a book that is not finished is kept: within 10 Audiobookshelf finishes it. */
const endGap = 15

/** The most bytes of the description, which nothing reads back. */
const mostExtra = 2048

/** The values to send for a push that is at this time of the audio. */
export function valuesOf({ percentage }: Pushed, item: Item, seconds: number): Values {
  // KOReader rounds to four digits.
  const finishes = percentage >= 0.999_95
  const end = item.duration - endGap
  // A shorter one cannot be anywhere but at its end.
  const hasAudio = finishes ? item.duration > 0 : end > 0
  const currentTime = finishes ? item.duration : Math.floor(clamp(seconds, 0, end) * 1000) / 1000
  return {
    ...(hasAudio && { currentTime }),
    ...(item.ebook && { ebookProgress: finishes ? 1 : clamp(percentage, 0, 1) }),
    finishes,
  }
}

/** The body of a PATCH. `isUpdate`: the record exists, and accepts more fields. */
export function bodyOf(pushed: Pushed, item: Item, values: Values, isUpdate: boolean): Record<string, unknown> {
  const { currentTime, ebookProgress, finishes } = values
  const { duration } = item
  const progress = currentTime === undefined ? undefined : Math.round((currentTime / duration) * 1e6) / 1e6
  const location = ebookProgress === undefined ? undefined : locationOf(pushed.progress, item)
  const extraData = progress === undefined || !isUpdate ? undefined : extraOf(pushed, item.id, progress)
  return {
    ...(progress !== undefined && { currentTime, duration, progress }),
    ...(ebookProgress !== undefined && { ebookProgress }),
    ...(location !== undefined && { ebookLocation: location }),
    // With it Audiobookshelf ignores `progress`; a book with audio is finished by its time.
    ...(finishes && currentTime === undefined && { isFinished: true }),
    lastUpdate: pushed.timestamp * 1000,
    ...(extraData && { extraData }),
  }
}

/** A location that Audiobookshelf's reader can open; with any other one it would open page 1, and store that. */
function locationOf(progress: string, { ebook }: Item): string | undefined {
  if (ebook?.format !== 'epub') return parsePage(progress)?.toString()
  const fragment = parseXPointer(progress)?.fragment
  return fragment === undefined ? undefined : cfiOfFragment(fragment)
}

/** The ebook location. It replaces the stored one, so it must have the ids. Undefined if it is too long. */
function extraOf(pushed: Pushed, libraryItemId: string, progress: number): object | undefined {
  const { document, progress: rawProgress, percentage, device, timestamp } = pushed
  const extra = { libraryItemId, progress, koreader: { document, rawProgress, percentage, device, timestamp } }
  return Buffer.byteLength(JSON.stringify(extra)) > mostExtra ? undefined : extra
}

/** A position for the log. */
export function describe({ currentTime, ebookProgress }: { currentTime?: number; ebookProgress?: number }): string {
  const parts = [
    currentTime?.toFixed(1).concat(' s'),
    ebookProgress === undefined ? undefined : `${(ebookProgress * 100).toFixed(2)} %`,
  ]
  return parts.filter((part) => part !== undefined).join(', ')
}
