import { Ajv } from 'ajv'
import { push, type Progress, type Push } from '../protocol.ts'

const isPush = new Ajv().compile<Push>(push)

/** Numbers from this on are milliseconds: as seconds they would be in the year 5138. */
const firstMilliseconds = 1e11

/**
 * The record in another server's answer for the document; undefined when it is none that a reader could have pushed.
 * `now` is in seconds since 1970.
 */
export function readForeignRecord(body: object, document: string, now: number): Progress | undefined {
  if (!isPush(body) || body.document !== document) return undefined
  const percentage = Number(body.percentage)
  if (!Number.isFinite(percentage)) return undefined
  const { progress, device, device_id } = body
  return {
    document,
    percentage,
    progress,
    device,
    ...(typeof device_id === 'string' && device_id.isWellFormed() && { device_id }),
    timestamp: timeOf(body as { timestamp?: unknown }, now),
  }
}

/**
 * As it was there, but not ahead of our clock, which would make the position look newer for as long. One without a time
 * is older than all others: readers take no 0.
 */
function timeOf({ timestamp }: { timestamp?: unknown }, now: number): number {
  const time = typeof timestamp === 'number' || typeof timestamp === 'string' ? Number(timestamp) : 0
  const seconds = Math.floor(time >= firstMilliseconds ? time / 1000 : time)
  return seconds >= 1 ? Math.min(seconds, now) : 1
}
