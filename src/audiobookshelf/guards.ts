import type { Remote } from './replies.ts'

/**
 * What decides whether a position passes: the guards of the bridge, over plain data. Times are in milliseconds of this
 * clock, places in one measure for all of an item: seconds of audio, or the part of an ebook without audio.
 */

/** A position of an item in Audiobookshelf, in both halves. */
export interface Halves {
  currentTime: number
  ebookProgress: number
}

/** Our own last PATCH that Audiobookshelf took. */
export interface Agreed extends Halves {
  /** The time of its push. */
  time: number
}

export type Half = 'audio' | 'ebook'

/** The record as it was last seen. */
export interface SeenRecord extends Halves {
  ebookLocation: string | undefined
  half: Half
}

/** A place that a reader was given for a listener's. */
export interface HandedOut extends Halves {
  /** The places of both. */
  given: number
  listener: number
}

/** A push that would have moved a listener back. */
export interface Held extends Halves {
  device: string
  time: number
}

/** The name of a guard that stopped a position. */
export type Guard =
  | 'echo'
  | 'reset'
  | 'finished'
  | 'order'
  | 'rounding'
  | 'stale reader'
  | 'active player'
  | 'small change'

export type PushDecision =
  | { action: 'send' }
  | { action: 'drop'; guard: Guard }
  | { action: 'hold'; held: Held }
  | { action: 'wait'; until: number }

export interface PushFacts {
  now: number
  push: { time: number; device: string; place: number }
  /** What would be sent. */
  values: { currentTime?: number; ebookProgress?: number; finishes: boolean }
  remote: Remote | undefined
  seen?: SeenRecord | undefined
  /** The place of the remote record. */
  remotePlace: number
  agreed: Agreed | undefined
  handedOut: HandedOut | undefined
  held: Held | undefined
  /** Milliseconds that Audiobookshelf's clock is ahead. */
  clockDifference: number
  hasAudio: boolean
}

const activeMs = 75_000
const holdMs = 30_000
/** Less than a Date header can tell. */
const leastDifference = 5000
/** How far a reader must be behind a listener to count as one who would rewind: seconds, or a part of the ebook. */
const staleBy = { audio: 60, ebook: 0.01 }
/** Places closer than this are one. */
const sameBy = { audio: 1, ebook: 0.0001 }

/** Milliseconds of this clock. Clocks less than 5 s apart count as one: the difference is known to a second. */
export function changedAt({ lastUpdate }: Remote, clockDifference: number): number {
  return lastUpdate - (Math.abs(clockDifference) > leastDifference ? clockDifference : 0)
}

function isSame(one: Halves, other: Halves): boolean {
  return (
    Math.abs(one.currentTime - other.currentTime) <= sameBy.audio &&
    Math.abs(one.ebookProgress - other.ebookProgress) <= sameBy.ebook
  )
}

/** Whether it is what was agreed: `lastUpdate` alone decides nothing. */
export function isEcho(remote: Halves, agreed: Halves | undefined): boolean {
  return agreed !== undefined && isSame(remote, agreed)
}

/** Whether it was discarded, or never used: no position. */
export function isReset(remote: Remote | undefined): remote is undefined {
  return remote === undefined || (remote.currentTime === 0 && remote.ebookProgress === 0)
}

/**
 * Whether somebody marked it as finished at another place than the end: no position. Only a time ends that: a finished ebook
 * stays finished while it is read again, so one that moved on since it was seen is a position.
 */
export function isFinishedByHand(remote: Remote, seen?: SeenRecord): boolean {
  const { isFinished, currentTime, duration, ebookProgress } = remote
  if (!isFinished) return false
  if (duration > 0) return duration - currentTime >= 10
  return ebookProgress < 1 && (!seen || seen.ebookProgress === ebookProgress)
}

/** Which half of the record is the position, against the record as it was last seen. */
export function halfOf(remote: Remote, seen: SeenRecord | undefined): Half {
  if (remote.currentTime === 0) return 'ebook'
  if (remote.ebookProgress === 0 || !seen) return 'audio'
  if (remote.currentTime !== seen.currentTime) return 'audio'
  const ebookMoved = remote.ebookProgress !== seen.ebookProgress || remote.ebookLocation !== seen.ebookLocation
  return ebookMoved ? 'ebook' : seen.half
}

/** The record as it will have been seen next time. */
export function seenOf(remote: Remote, before: SeenRecord | undefined): SeenRecord {
  const { currentTime, ebookProgress, ebookLocation } = remote
  return { currentTime, ebookProgress, ebookLocation, half: halfOf(remote, before) }
}

/** What stops a record of Audiobookshelf from being news to a reader; undefined when nothing does. */
export function guardPull(
  remote: Remote | undefined,
  facts: {
    agreed: Agreed | undefined
    seen?: SeenRecord | undefined
    storedTime: number | undefined
    clockDifference: number
  },
): Guard | undefined {
  if (isReset(remote)) return 'reset'
  if (isEcho(remote, facts.agreed)) return 'echo'
  if (isFinishedByHand(remote, facts.seen)) return 'finished'
  const isNewer = facts.storedTime === undefined || changedAt(remote, facts.clockDifference) > facts.storedTime
  return isNewer ? undefined : 'order'
}

/** Where a record that is news stands to the stored one. */
export interface NewsFacts {
  half: Half
  hasAudio: boolean
  /** The listener and the reader, in the item's measure. */
  listener: number
  reader: number
  /** The place that would be given, and the reader's, as parts of the book. */
  given: number
  stored: number
  /** Whether the listener is in the fragment of the stored record. */
  inSameFragment: boolean
}

/** Whether a reader is told: a place ahead of its own, or one that somebody went back to. */
export function isWorthTelling(facts: NewsFacts): boolean {
  const { half, listener, reader, given, stored, inSameFragment, hasAudio } = facts
  if (listener >= reader) return given > stored
  // Opening the reader of Audiobookshelf at the start of a chapter writes that.
  if (half === 'ebook' && inSameFragment) return false
  // Players go back a little when they go on.
  return reader - listener > (hasAudio ? staleBy.audio : staleBy.ebook) && given < stored
}

/** What becomes of a push, after Audiobookshelf's record was read. */
export function guardPush(facts: PushFacts): PushDecision {
  const { push, remote, agreed, now } = facts
  // Another document of the same item went on meanwhile.
  if (agreed && push.time < agreed.time) return { action: 'drop', guard: 'order' }
  if (isReset(remote)) return { action: 'send' }
  if (isSmall(facts, remote)) return { action: 'drop', guard: 'small change' }
  // Going back to where it was agreed to be is the reader's wish.
  if (isEcho(remote, agreed)) return { action: 'send' }
  if (isBetween(facts, remote)) return { action: 'drop', guard: 'rounding' }
  const changed = changedAt(remote, facts.clockDifference)
  if (Math.abs(now - changed) < activeMs) return { action: 'wait', until: changed + activeMs }
  if (push.time < changed) return { action: 'drop', guard: 'order' }
  return isFinishedByHand(remote, facts.seen) ? { action: 'send' } : guardRewind(facts, remote)
}

function isSmall({ values }: PushFacts, remote: Remote): boolean {
  const { currentTime = remote.currentTime, ebookProgress = remote.ebookProgress, finishes } = values
  if (finishes && !remote.isFinished) return false
  return (
    Math.abs(currentTime - remote.currentTime) < sameBy.audio &&
    Math.abs(ebookProgress - remote.ebookProgress) < sameBy.ebook
  )
}

/** Whether the reader re-reads what the listener heard, from the place that it was given. */
function isBetween({ push, handedOut, hasAudio }: PushFacts, remote: Remote): boolean {
  if (!handedOut || !isSame(handedOut, remote)) return false
  const same = hasAudio ? sameBy.audio : sameBy.ebook
  const { given, listener } = handedOut
  return push.place >= Math.min(given, listener) - same && push.place <= Math.max(given, listener) + same
}

/** A reader that was just woken up with an old page cannot rewind a listener, one that reads on can. */
function guardRewind({ push, remotePlace, held, hasAudio }: PushFacts, remote: Remote): PushDecision {
  if (remotePlace - push.place <= (hasAudio ? staleBy.audio : staleBy.ebook)) return { action: 'send' }
  const isSameReader = held !== undefined && held.device === push.device && isSame(held, remote)
  if (isSameReader && push.time - held.time >= holdMs) return { action: 'send' }
  const { currentTime, ebookProgress } = remote
  return {
    action: 'hold',
    held: isSameReader ? held : { device: push.device, time: push.time, currentTime, ebookProgress },
  }
}
