import type { Metadata, Progress } from '../../kosync/protocol.ts'
import { DamagedFile, parseObject } from '../../damaged-file.ts'

/** The text that Lua makes of a JSON null: the official server stores it as the value. */
const nullOfLua = 'userdata: NULL'

/** A reply of HGETALL: fields and values by turns. */
export type Fields = string[]

/** The record; unknown fields are kept as they are. Throws DamagedFile. */
export function toProgress(document: string, fields: Fields): Progress {
  const { percentage, timestamp, device_id, metadata, ...rest } = toObject(fields)
  const where = `document ${JSON.stringify(document)}`
  const known = metadata === undefined ? undefined : toMetadata(metadata)
  const { progress, device = '' } = rest
  if (progress === undefined) throw new DamagedFile(where, 'has no progress')
  return {
    ...rest,
    document,
    percentage: toNumber(percentage ?? '0', where, 'percentage'),
    progress,
    device,
    ...(device_id !== undefined && device_id !== nullOfLua && { device_id }),
    timestamp: toSeconds(timestamp),
    ...(known && { metadata: known }),
  }
}

/** As toProgress; the newest row of the history if the record cannot be read; undefined if neither can. */
export function toProgressOr(document: string, fields: Fields, rows: Progress[]): Progress | undefined {
  try {
    return fields.length === 0 ? undefined : toProgress(document, fields)
  } catch {
    return rows.at(-1)
  }
}

export function toObject(fields: Fields): Record<string, string> {
  return Object.fromEntries(fields.flatMap((name, at) => (at % 2 === 0 ? [[name, fields[at + 1]!]] : [])))
}

/** The arguments of HSET for a record. */
export function toFields({ document: _ofTheKey, ...fields }: Progress): Fields {
  return Object.entries(fields).flatMap(([name, value]) => [
    name,
    typeof value === 'object' ? JSON.stringify(value) : String(value),
  ])
}

function toNumber(text: string, where: string, name: string): number {
  const number = text.trim() === '' ? Number.NaN : Number(text)
  if (!Number.isFinite(number)) throw new DamagedFile(where, `has no ${name}`)
  return number
}

/** Numbers over this are milliseconds: as seconds they would be in the year 5138. */
const firstMilliseconds = 1e11

/** Seconds since 1970; 0 if another server stored no time. */
function toSeconds(text: string | undefined): number {
  const time = Number(text ?? 0)
  if (!Number.isFinite(time)) return 0
  return Math.floor(time >= firstMilliseconds ? time / 1000 : time)
}

function toMetadata(text: string): Metadata | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

/** The part of a history row after its time, which the engine adds: JSON without the opening brace. */
export function rowWithoutTime({ percentage, progress, device, device_id, metadata }: Progress): string {
  return JSON.stringify({ percentage, progress, device, device_id, metadata }).slice(1)
}

export function toRow(row: Progress): string {
  return `{"timestamp":${row.timestamp},${rowWithoutTime(row)}`
}

/** The row; undefined if it cannot be read. */
export function fromRow(document: string, row: string): Progress | undefined {
  try {
    const { progress, percentage, timestamp, ...rest } = parseObject(row, document)
    if (typeof progress !== 'string' || !Number.isFinite(percentage) || !Number.isFinite(timestamp)) return undefined
    return { ...rest, document, progress, percentage, timestamp } as Progress
  } catch {
    return undefined
  }
}

/** The rows that can be read. */
export function fromRows(document: string, rows: string[]): Progress[] {
  return rows.flatMap((row) => fromRow(document, row) ?? [])
}
