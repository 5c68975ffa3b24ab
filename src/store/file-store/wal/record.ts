import { basename, dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import { isTooDeep } from '../../../damaged-file.ts'
import type { Progress } from '../../../kosync/protocol.ts'

/*
 * The format of a segment of the write-ahead log. It is text, so that a person can read it with `less`:
 *
 *   kss-wal 1 0000000007                        header: version of the format, number of the segment
 *   5c1fd1a9 231 0000000007                     a batch: CRC-32, bytes of its records, number of the segment
 *   {"kind":"push","folder":"ann",…}            its records, one JSON object a line
 *   …
 *
 * A batch is what one flush made durable (group commit). Its CRC covers the rest of its first line and its records, so a
 * torn batch is dropped as a whole. The next batch is written after the flush of this one. So an invalid batch is the end
 * of the segment, unless a valid batch of the same segment follows: then the file is damaged. What follows the end is
 * zeros (preallocated), or batches of an older segment (recycled), whose number differs.
 */
const version = 1

/** A push of a document. */
export interface PushRecord {
  kind: 'push'
  /** The name of the account's folder. */
  folder: string
  /** The name of the record's file in it. */
  file: string
  /** Milliseconds since 1970, for a person who reads the log. Recovery ignores it. */
  time: number
  push: Progress
  /** False when the push is not added to the history. */
  row?: false
  /** The whole resulting record, when it holds more than the push. */
  record?: Progress
  /** SHA-256 in hex of the file's bytes before the push; null when there was no file. */
  before?: string | null
  /** SHA-256 in hex of the file's bytes with the push. */
  after?: string
}

/** All pushes of a document that are not in its files yet. It replaces the earlier records of the document. */
export interface KeptRecord {
  kind: 'kept'
  folder: string
  file: string
  time: number
  /** Lines of the history, oldest first. */
  rows: Progress[]
  record: Progress
  /** SHA-256 in hex of the bytes that the file may have; null when there may be no file. Older builds left it out. */
  sums?: (string | null)[]
}

/** Recovery ignores the earlier records of the folder, or of one file in it. */
export interface Tombstone {
  kind: 'tombstone'
  folder: string
  file?: string
  time: number
}

export type LogRecord = PushRecord | KeptRecord | Tombstone

/** A push and the resulting file. */
export interface FormattedPush {
  /** JSON of the push. */
  push: string
  isRow: boolean
  /** JSON of the resulting record, if it holds more than the push. */
  record?: string | undefined
  before: string | null
  after: string
}

/** A record of a push, as a line. */
export function formatPush(path: string, { push, isRow, record, before, after }: FormattedPush): string {
  const row = isRow ? '' : ',"row":false'
  const whole = record === undefined ? '' : `,"record":${record}`
  const sums = `,"before":${before === null ? 'null' : `"${before}"`},"after":"${after}"`
  return formatLine('push', path, `"push":${push}${row}${whole}${sums}`)
}

/** A record of all pushes of a document that are not in its files; `rows` and `record` are JSON. */
export function formatKept(path: string, rows: string[], record: string, sums?: (string | null)[]): string {
  const known = sums ? `,"sums":${JSON.stringify(sums)}` : ''
  return formatLine('kept', path, `"rows":[${rows.join()}],"record":${record}${known}`)
}

export function formatTombstone(folder: string): string {
  return `${JSON.stringify({ kind: 'tombstone', folder: basename(folder), time: Date.now() } satisfies Tombstone)}\n`
}

function formatLine(kind: string, path: string, rest: string): string {
  const [folder, file] = [basename(dirname(path)), basename(path)].map((name) => JSON.stringify(name))
  return `{"kind":"${kind}","folder":${folder},"file":${file},"time":${Date.now()},${rest}}\n`
}

/** The name of the segment's file. */
export function segmentName(number: number): string {
  return `${digits(number)}.log`
}

export function segmentHeader(number: number): string {
  return `kss-wal ${version} ${digits(number)}\n`
}

/** A batch of the segment with these records, which are lines. */
export function encodeBatch(number: number, records: string): string {
  const sized = `${Buffer.byteLength(records)} ${ownerOf(number)}\n${records}`
  return `${checksum(sized)} ${sized}`
}

export interface DecodedSegment {
  /** The lines of the valid batches. */
  lines: string[]
  /** An invalid batch, or an invalid header, is followed by a valid batch. */
  isDamaged: boolean
}

/** What the bytes of the segment with this number hold. Throws when a newer kss wrote it. */
export function decodeSegment(bytes: Buffer, number: number): DecodedSegment {
  const header = segmentHeader(number)
  const newer = /^kss-wal (\d+) /.exec(bytes.toString('latin1', 0, 40))?.[1]
  if (newer !== undefined && Number(newer) > version) throw new Error(`a newer kss wrote the segment ${number}`)
  const isBegun = bytes.toString('latin1', 0, header.length) === header
  const segment: DecodedSegment = { lines: [], isDamaged: false }
  let at = isBegun ? header.length : 0
  let isWhole = isBegun
  for (;;) {
    const batch = batchAt(bytes, at, number)
    if (batch) {
      if (!isWhole) segment.isDamaged = true
      for (const line of batch.records.split('\n')) if (line !== '') segment.lines.push(line)
      at = batch.end
      isWhole = true
    } else {
      const next = findBatch(bytes, at + 1, number)
      if (next === undefined) return segment
      at = next
      isWhole = false
    }
  }
}

/** Bytes of the first line of a batch, at most. */
const longestLine = 48

function batchAt(bytes: Buffer, at: number, number: number): { records: string; end: number } | undefined {
  const line = /^([0-9a-f]{8}) ((\d{1,10}) (\d+)\n)/.exec(bytes.toString('latin1', at, at + longestLine))
  if (!line || line[4] !== ownerOf(number)) return undefined
  const start = at + line[0].length
  const end = start + Number(line[3])
  const sum = checksum(bytes.subarray(start, end), crc32(line[2]!))
  return sum === line[1] && end <= bytes.length ? { records: bytes.toString('utf8', start, end), end } : undefined
}

/** The offset of the next valid batch. No line of a record ends like the first line of a batch. */
function findBatch(bytes: Buffer, from: number, number: number): number | undefined {
  const ending = ` ${ownerOf(number)}\n`
  for (let at = bytes.indexOf(ending, from); at >= 0; at = bytes.indexOf(ending, at + 1)) {
    const before = bytes.toString('latin1', Math.max(from, at - longestLine), at)
    const line = /[0-9a-f]{8} \d{1,10}$/.exec(before)
    const begin = at - (line?.[0].length ?? 0)
    if (line && batchAt(bytes, begin, number)) return begin
  }
  return undefined
}

/** The number of the segment in each batch, and in its CRC: in a recycled segment the old batches are invalid. */
function ownerOf(number: number): string {
  return digits(number)
}

function digits(number: number): string {
  return String(number).padStart(10, '0')
}

function checksum(data: string | Buffer, before = 0): string {
  return crc32(data, before).toString(16).padStart(8, '0')
}

/** What the line of a batch says; undefined when it is no record. */
export function parseRecord(line: string): LogRecord | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

/**
 * Whether the value is a valid record of a document of an account. A log may come from an archive of unknown origin: its
 * names must not lead out of the state directory, or to a credential.
 */
function isRecord(value: unknown): value is LogRecord {
  if (typeof value !== 'object' || value === null) return false
  const {
    kind,
    folder,
    file,
    push,
    rows,
    record,
    before = null,
    after = '',
    sums = [],
  } = value as Partial<Record<string, unknown>>
  if (!isName(folder)) return false
  if (kind === 'tombstone') return file === undefined || isRecordFile(file)
  if (!isRecordFile(file)) return false
  if (kind === 'push') {
    return (
      isProgress(push) && (record === undefined || isProgress(record)) && isSum(before) && typeof after === 'string'
    )
  }
  if (kind !== 'kept' || !isProgress(record)) return false
  return [rows, sums].every(Array.isArray) && (rows as unknown[]).every(isProgress) && (sums as unknown[]).every(isSum)
}

function isSum(sum: unknown): boolean {
  return sum === null || typeof sum === 'string'
}

export function isRecordFile(file: unknown): boolean {
  return isName(file) && file !== 'auth.json'
}

export function isName(name: unknown): boolean {
  // No file name has a NUL or more than 255 bytes: fs calls would throw.
  return typeof name === 'string' && /^[^./\\\0][^/\\\0]*$/.test(name) && Buffer.byteLength(name) <= 255
}

export function isProgress(value: unknown): value is Progress {
  const { document, percentage, progress, device, timestamp } = { ...(value as Progress | null) }
  if (isTooDeep(value)) return false
  const texts = [document, progress, device]
  return texts.every((text) => typeof text === 'string') && [percentage, timestamp].every(Number.isFinite)
}
