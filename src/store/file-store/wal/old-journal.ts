import { rm, rmdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { crc32 } from 'node:zlib'
import { DamagedFile } from '../../../damaged-file.ts'
import { syncFolder } from '../../../durable.ts'
import { hasCode, unlessAbsent } from '../../../error-code.ts'
import type { Progress } from '../../../kosync/protocol.ts'
import { readTrusted } from '../../../trusted-file.ts'
import { keepCopy } from '../files/keep-copy.ts'
import { isName, isProgress, isRecordFile, type LogRecord } from './record.ts'
import { listSegments } from './recovery.ts'

/*
 * The journal of kss 0.1, which is read before the log and removed when all of it is in the files. A file of it has one
 * entry a line: a CRC-32 in hex, a blank, the JSON of the entry.
 */

/** A push; or, without `push` and `kept`, a tombstone of a folder or of one file in it. */
interface JournalEntry {
  folder: string
  file?: string
  push?: Progress
  row?: boolean
  /** All pushes of the document that count so far. Builds before this field wrote an entry without `push` instead. */
  kept?: { rows: Progress[]; record: Progress }
}

/**
 * The records of the journal, oldest first. Each file with a torn line is reported to `onDamage`; its push was never
 * acknowledged. A file with a whole line that is no entry is copied to `<name>.corrupt-<time>`, and reported too.
 */
export async function readOldJournal(dir: string, onDamage: (error: Error) => void): Promise<LogRecord[]> {
  const records: LogRecord[] = []
  for (const name of await listSegments(dir)) {
    const path = join(dir, name)
    const lines = (await readTrusted(path)).split('\n').filter((line) => line !== '')
    const whole = lines.filter(isWholeLine)
    const good = whole.map(parseJournalLine).filter((record) => record !== undefined)
    // Not spread into one call: a busy minute has more lines than a call takes arguments.
    for (const record of good) records.push(record)
    if (whole.length < lines.length) onDamage(new DamagedFile(path, 'has a line that a crash tore'))
    if (good.length < whole.length) await setLinesAside(path, whole.length - good.length, onDamage)
  }
  return records
}

async function setLinesAside(path: string, count: number, onDamage: (error: Error) => void): Promise<void> {
  const what = count === 1 ? '1 line that is no entry' : `${count} lines that are no entries`
  try {
    await keepCopy(path)
    onDamage(new DamagedFile(path, `has ${what}: the file is kept as ${basename(path)}.corrupt-…`))
  } catch (error) {
    onDamage(new DamagedFile(path, `has ${what}, and cannot be copied: ${(error as Error).message}`))
  }
}

/** Removes the journal, durably; the oldest file first, as a crash must not leave a gap. Copies of damaged files stay. */
export async function removeOldJournal(dir: string): Promise<void> {
  for (const name of await listSegments(dir)) await rm(join(dir, name), { force: true })
  await unlessAbsent(syncFolder(dir))
  await rmdir(dir).catch((error: unknown) => {
    if (!hasCode(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST')) throw error
  })
}

/** Whether the line is as it was written. */
function isWholeLine(line: string): boolean {
  return line.startsWith(`${crc32(line.slice(9)).toString(16).padStart(8, '0')} `)
}

/** The record of a line of the journal; undefined when the line is torn, or no entry. */
export function parseJournalLine(line: string): LogRecord | undefined {
  if (!isWholeLine(line)) return undefined
  try {
    const value: unknown = JSON.parse(line.slice(9))
    return isEntry(value) ? toRecord(value) : undefined
  } catch {
    return undefined
  }
}

function toRecord({ folder, file, push, row, kept }: JournalEntry): LogRecord {
  const time = 0
  if (file === undefined) return { kind: 'tombstone', folder, time }
  if (kept) return { kind: 'kept', folder, file, time, rows: kept.rows, record: kept.record }
  if (!push) return { kind: 'tombstone', folder, file, time }
  return { kind: 'push', folder, file, time, push, ...(row === false && { row }) }
}

function isEntry(value: unknown): value is JournalEntry {
  if (typeof value !== 'object' || value === null) return false
  const { folder, file, push, kept } = value as JournalEntry
  if (!isName(folder) || (file !== undefined && !isRecordFile(file))) return false
  return (push === undefined || isProgress(push)) && (kept === undefined || isKept(kept))
}

function isKept(kept: unknown): boolean {
  const { rows, record } = { ...(kept as JournalEntry['kept'] | null) }
  return Array.isArray(rows) && rows.every(isProgress) && isProgress(record)
}
