import type { Progress } from '../kosync/protocol.ts'
import { changedAt, halfOf, isWorthTelling, type HandedOut, type SeenRecord } from './guards.ts'
import { clamp, type BookPlace, type Mapping } from './mapping.ts'
import { choosePlace, countPages, fragmentOfCfi, parsePage, parseXPointer } from './position.ts'
import type { ShownRecord } from './parts.ts'
import type { Item, Remote } from './replies.ts'

/** A record of Audiobookshelf that passed the guards, with the data for the reader's answer. */
export interface NewsFacts {
  remote: Remote
  item: Item
  seen: SeenRecord | undefined
  document: string
  /** The reader's own record, if there is one. */
  stored: Progress | undefined
  history: Progress[]
  mapping: Mapping
  device: string
  clockDifference: number
}

export interface News {
  record: Progress
  handedOut: HandedOut
}

/** The record that a reader gets for a listener's position; undefined for none. */
export function newsOf(facts: NewsFacts): News | undefined {
  const place = placeOf(facts)
  const given = isPaged(facts) ? pageAt(facts, place) : positionAt(facts, place)
  if (!given) return undefined
  const { remote, item, stored, mapping } = facts
  const hasAudio = item.duration > 0
  const measure = (position: { progress: string; percentage: number }): number =>
    hasAudio ? mapping.toSeconds(position) : position.percentage
  const listener = listenerOf(facts, place)
  const isNews =
    !stored ||
    isWorthTelling({
      half: halfOf(remote, facts.seen),
      hasAudio,
      listener,
      reader: measure(stored),
      given: mapping.at(given),
      stored: mapping.at(stored),
      inSameFragment: parseXPointer(stored.progress)?.fragment === place.fragment,
    })
  if (!isNews) return undefined
  const { currentTime, ebookProgress } = remote
  return {
    record: recordOf(facts, given.progress, place),
    handedOut: { given: measure(given), listener, currentTime, ebookProgress },
  }
}

/** The record of Audiobookshelf for the console. */
export function shownOf({
  remote,
  item,
  mapping,
  clockDifference,
}: Pick<NewsFacts, 'remote' | 'item' | 'mapping' | 'clockDifference'>): ShownRecord {
  const { currentTime } = remote
  const chapter = item.chapters.findLast(({ start }) => start <= currentTime)?.title ?? ''
  return { method: mapping.method, chapter, changed: changedAt(remote, clockDifference) }
}

/** The place of the record of Audiobookshelf in the book. */
export function placeOf({ remote, seen, mapping }: Pick<NewsFacts, 'remote' | 'seen' | 'mapping'>): BookPlace {
  if (halfOf(remote, seen) === 'audio' && mapping.method !== 'ebook only') return mapping.toPlace(remote.currentTime)
  return mapping.toPlaceOfEbook(remote.ebookProgress, fragmentOfCfi(remote.ebookLocation))
}

/** The place in the item's measure: seconds of audio, or the fraction of the ebook. */
export function listenerOf(
  { remote, item, seen, mapping }: Pick<NewsFacts, 'remote' | 'item' | 'seen' | 'mapping'>,
  place: BookPlace,
): number {
  if (item.duration === 0) return remote.ebookProgress
  return halfOf(remote, seen) === 'audio' ? remote.currentTime : mapping.secondsOf(place)
}

function recordOf(
  { document, device, item, remote, clockDifference }: NewsFacts,
  progress: string,
  place: BookPlace,
): Progress {
  return {
    document,
    progress,
    percentage: Math.round(clamp(place.percentage, 0, 1) * 1e6) / 1e6,
    device,
    device_id: `abs:${item.id}`,
    timestamp: Math.floor(changedAt(remote, clockDifference) / 1000),
  }
}

function isPaged({ stored, history, item }: NewsFacts): boolean {
  const last = stored ?? history.at(-1)
  return last ? parsePage(last.progress) !== undefined : item.ebook !== undefined && item.ebook.format !== 'epub'
}

type Given = Pick<Progress, 'progress' | 'percentage'>

/** The page; undefined if the history does not show the number of pages. */
function pageAt({ stored, history }: NewsFacts, { percentage }: BookPlace): Given | undefined {
  const pages = countPages(stored ? [...history, stored] : history)
  if (pages === undefined) return undefined
  const page = clamp(Math.round(percentage * pages), 1, pages)
  return { progress: String(page), percentage: page / pages }
}

function positionAt({ stored, history, mapping }: NewsFacts, place: BookPlace): Given | undefined {
  const own = stored ? [...history, stored] : history
  const places = own.map((position) => ({ progress: position.progress, at: mapping.at(position) }))
  const progress = choosePlace(places, place.at, place.fragment)
  if (progress === undefined) return undefined
  return { progress, percentage: own.findLast((each) => each.progress === progress)?.percentage ?? place.percentage }
}
