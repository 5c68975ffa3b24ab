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
  const before = JSON.stringify(record)
  for (const name of ['duration', 'progress', 'currentTime', 'ebookLocation', 'ebookProgress'] as const) {
    if (body[name] !== undefined) Object.assign(record, { [name]: body[name] })
  }
  if ('isFinished' in body) finish(record, body['isFinished'] === true, JSON.parse(before) as AbsRecord, now)
  else if ('currentTime' in body) finishByTime(record, now)
  if ('extraData' in body) {
    record.extraData = body['extraData']
    const { libraryItemId, progress } = (body['extraData'] ?? {}) as Record<string, unknown>
    if (libraryItemId === undefined || progress === undefined) record.lost = true
  }
  // An update that changes nothing does not bump it.
  if (JSON.stringify(record) === before) return
  record.lastUpdate = typeof body['lastUpdate'] === 'number' ? body['lastUpdate'] : now
}

/** The progress of the body is ignored; false on a finished record sets the time to 0. */
function finish(record: AbsRecord, isFinished: boolean, before: AbsRecord, now: number): void {
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
