import type { Metadata, Progress } from '../../../kosync/protocol.ts'
import { DamagedFile, isTooDeep, parseObject } from '../../../damaged-file.ts'

/**
 * A record as it is in a file: fields that kss does not know stay. What older servers wrote is read as they meant it: a
 * percentage as a string, null for 0, a progress as a number, no timestamp (then the file's own), one in milliseconds.
 * Throws DamagedFile.
 */
export function parseProgress(text: string, path: string, fileTime: number): Progress {
  return toProgress(parseObject(text, path), path, fileTime)
}

/** The same of an object; `path` names it in the error. */
export function toProgress(record: Record<string, unknown>, path: string, fileTime: number): Progress {
  if (isTooDeep(record)) throw new DamagedFile(path, 'is nested too deeply')
  const { document, percentage: part, progress, device, device_id, timestamp, metadata, title, ...rest } = record
  const percentage = numberOf(part ?? 0)
  // Python kss keeps a page number as its client sent it.
  const position = typeof progress === 'number' ? String(progress) : progress
  if (typeof document !== 'string' || document === '') throw new DamagedFile(path, 'has no document')
  if (typeof position !== 'string') throw new DamagedFile(path, 'has no progress')
  if (!Number.isFinite(percentage)) throw new DamagedFile(path, 'has no percentage')
  return {
    ...rest,
    ...(isText(title) && { title }),
    document,
    percentage,
    progress: position,
    device: typeof device === 'string' ? device : '',
    ...(typeof device_id === 'string' && { device_id }),
    timestamp: seconds(timestamp) ?? fileTime,
    ...(isObject(metadata) && { metadata: withTextsOnly(metadata) }),
  }
}

const metadataTexts: readonly string[] = ['filename', 'title', 'authors']

/** Commands print these fields and search in them, so that they must be text. */
function withTextsOnly(metadata: Record<string, unknown>): Metadata {
  const kept = Object.entries(metadata).filter(([name, value]) => !metadataTexts.includes(name) || isText(value))
  return Object.fromEntries(kept)
}

/** The fields of a record that toProgress ignores because of their type; null is as good as absent. */
export function ignoredFields(record: Record<string, unknown>): string[] {
  const { device, device_id, title, timestamp, metadata } = record
  const texts = Object.entries({ device, device_id, title })
  if (isObject(metadata)) for (const name of metadataTexts) texts.push([`metadata.${name}`, metadata[name]])
  return [
    ...texts.filter(([, value]) => isThere(value) && !isText(value)).map(([name]) => name),
    ...(isThere(metadata) && !isObject(metadata) ? ['metadata'] : []),
    ...(isThere(timestamp) && seconds(timestamp) === undefined ? ['timestamp'] : []),
  ]
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isThere(value: unknown): boolean {
  return value !== undefined && value !== null
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

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
