import { randomUUID } from 'node:crypto'

/** A media progress of Audiobookshelf, as GET gives it. */
export interface AbsRecord {
  id: string
  userId: string
  libraryItemId: string
  episodeId: null
  mediaItemType: string
  duration: number
  progress: number
  currentTime: number
  isFinished: boolean
  hideFromContinueListening: boolean
  ebookLocation: unknown
  ebookProgress: unknown
  lastUpdate: number
  startedAt: number
  finishedAt: number | null
  extraData?: unknown
  /** GET is 404 for ever. */
  lost?: boolean
}

export function newRecord(userId: string, libraryItemId: string, now: number): AbsRecord {
  return {
    id: randomUUID(),
    userId,
    libraryItemId,
    episodeId: null,
    mediaItemType: 'book',
    duration: 0,
    progress: 0,
    currentTime: 0,
    isFinished: false,
    hideFromContinueListening: false,
    ebookLocation: null,
    ebookProgress: null,
    lastUpdate: now,
    startedAt: now,
    finishedAt: null,
  }
}

/** What a PATCH does to a record. Values are stored as they come. */
export function applyPatch(record: AbsRecord, body: Record<string, unknown>, now: number): void {
  const { lastUpdate: _last, ...was } = record
  const before = JSON.stringify(was)
  for (const name of ['duration', 'progress', 'currentTime', 'ebookLocation', 'ebookProgress'] as const) {
    if (body[name] !== undefined) Object.assign(record, { [name]: body[name] })
  }
  if ('isFinished' in body) finish(record, body['isFinished'] === true, was, now)
  else if ('currentTime' in body) finishByTime(record, now)
  if ('extraData' in body) {
    record.extraData = body['extraData']
    const { libraryItemId, progress } = (body['extraData'] ?? {}) as Record<string, unknown>
    if (libraryItemId === undefined || progress === undefined) record.lost = true
  }
  const { lastUpdate: _old, ...is } = record
  // A time that is given is taken; without one an update that changes nothing does not bump it.
  if (typeof body['lastUpdate'] === 'number') record.lastUpdate = body['lastUpdate']
  else if (JSON.stringify(is) !== before) record.lastUpdate = now
}

/** The progress of the body is ignored; false on a finished record sets the time to 0. */
function finish(record: AbsRecord, isFinished: boolean, before: Pick<AbsRecord, 'progress'>, now: number): void {
  record.progress = isFinished ? 1 : before.progress
  if (!isFinished && record.isFinished) Object.assign(record, { progress: 0, currentTime: 0 })
  record.finishedAt = isFinished ? (record.finishedAt ?? now) : null
  record.isFinished = isFinished
}

/** Within 10 s of the end the book is finished; before that it is not any more. */
function finishByTime(record: AbsRecord, now: number): void {
  const isFinished = record.duration > 0 && record.duration - record.currentTime < 10
  record.finishedAt = isFinished ? (record.finishedAt ?? now) : null
  record.isFinished = isFinished
}
