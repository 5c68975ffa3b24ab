import { Ajv } from 'ajv'
import { readTime } from '../foreign-time.ts'
import { push, type Progress, type Push } from '../kosync/protocol.ts'

const isPush = new Ajv().compile<Push>(push)

/** Numbers from this on are milliseconds: as seconds they would be in the year 5138. */
const firstMilliseconds = 1e11

interface Answered {
  document?: unknown
  percentage?: unknown
  progress?: unknown
  device?: unknown
  timestamp?: unknown
  updated_at?: unknown
}

/**
 * The record in another server's answer for the document; undefined if no reader could have pushed it. Python kss leaves
 * out the document and a percentage of 0; other servers answer null for the percentage, and for a device without a name.
 * `now` is in seconds since 1970.
 */
export function readForeignRecord(found: object, asked: string, now: number): Progress | undefined {
  const answer: Answered = found
  const { document = asked, progress } = answer
  const body: unknown = {
    ...answer,
    document,
    percentage: answer.percentage ?? 0,
    device: answer.device ?? '',
    progress: typeof progress === 'number' ? String(progress) : progress,
  }
  if (!isPush(body) || body.document !== asked) return undefined
  const percentage = Number(body.percentage)
  if (!Number.isFinite(percentage)) return undefined
  const { device, device_id } = body
  return {
    document: asked,
    percentage,
    progress: body.progress,
    device,
    ...(typeof device_id === 'string' && device_id.isWellFormed() && { device_id }),
    timestamp: timeOf(answer, now),
  }
}

/**
 * The time of the record, but not ahead of our clock, which would make the position look newer until then. A record
 * without a time gets the oldest one, since readers do not take 0. KoInsight calls the field `updated_at`.
 */
function timeOf({ timestamp, updated_at }: Answered, now: number): number {
  const value = readTime(timestamp ?? updated_at)
  const time = typeof value === 'number' || typeof value === 'string' ? Number(value) : 0
  const seconds = Math.floor(time >= firstMilliseconds ? time / 1000 : time)
  return seconds >= 1 ? Math.min(seconds, now) : 1
}
