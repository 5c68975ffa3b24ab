import type { Progress } from '../protocol.ts'
import { DamagedFile, parseObject } from './damaged-file.ts'

/**
 * A record as it is in a file: fields that kss does not know stay. What older servers wrote is read as they meant it: a
 * percentage as a string, null for 0, no timestamp (then the file's own), one in milliseconds. Throws DamagedFile.
 */
export function parseProgress(text: string, path: string, fileTime: number): Progress {
  return toProgress(parseObject(text, path), path, fileTime)
}

/** The same of an object; `path` names it in the error. */
export function toProgress(record: Record<string, unknown>, path: string, fileTime: number): Progress {
  const { document, percentage: part, progress, device, device_id, timestamp, metadata, ...rest } = record
  const percentage = numberOf(part ?? 0)
  if (typeof document !== 'string') throw new DamagedFile(path, 'has no document')
  if (typeof progress !== 'string') throw new DamagedFile(path, 'has no progress')
  if (!Number.isFinite(percentage)) throw new DamagedFile(path, 'has no percentage')
  return {
    ...rest,
    document,
    percentage,
    progress,
    device: typeof device === 'string' ? device : '',
    ...(typeof device_id === 'string' && { device_id }),
    timestamp: seconds(timestamp) ?? fileTime,
    ...(isObject(metadata) && { metadata }),
  }
}

/** Numbers over this are milliseconds: as seconds they would be in the year 5138. */
const firstMilliseconds = 1e11

function seconds(value: unknown): number | undefined {
  const time = numberOf(value ?? Number.NaN)
  if (!Number.isFinite(time)) return undefined
  return Math.floor(time >= firstMilliseconds ? time / 1000 : time)
}

/** An object could have any valueOf. */
function numberOf(value: unknown): number {
  return typeof value === 'object' ? Number.NaN : Number(value)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
