import type { Stats } from 'node:fs'
import { open, readdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { DamagedFile } from '../../../damaged-file.ts'
import { unlessAbsent } from '../../../error-code.ts'
import { nextProgress, type Progress } from '../../../kosync/protocol.ts'
import { checkFolder, openTrusted } from '../../../trusted-file.ts'
import { journalFolder, logFolder } from '../files/folder-names.ts'
import { keepCopy } from '../files/keep-copy.ts'
import { parseProgress } from '../files/progress-file.ts'
import { sumOf } from '../files/read-record.ts'
import { decodeSegment, formatKept, parseRecord, type KeptRecord, type LogRecord, type PushRecord } from './record.ts'

export interface LogContent {
  /** Oldest first. */
  records: LogRecord[]
  /** The number of the newest segment; 0 when there is none. */
  newest: number
}

/**
 * Reads the log. A damaged segment is copied to `<name>.corrupt-<time>` and reported to `onDamage`; its valid records
 * count. Rejects with errors of the file system.
 */
export async function readLog(dir: string, onDamage: (error: Error) => void): Promise<LogContent> {
  const names = await listSegments(dir)
  const records: LogRecord[] = []
  for (const name of names) {
    const path = join(dir, name)
    const { lines, isDamaged } = decodeSegment(await readBytes(path), numberOf(name))
    const parsed = lines.map(parseRecord)
    // Not spread into one call: a segment has more records than a call takes arguments.
    for (const record of parsed) if (record) records.push(record)
    if (isDamaged || parsed.includes(undefined)) await setAsideCopy(path, onDamage)
  }
  return { records, newest: numberOf(names.at(-1) ?? '0') }
}

async function readBytes(path: string): Promise<Buffer> {
  const file = await openTrusted(path)
  try {
    return await file.readFile()
  } finally {
    await file.close()
  }
}

async function setAsideCopy(path: string, onDamage: (error: Error) => void): Promise<void> {
  try {
    await keepCopy(path)
    onDamage(new DamagedFile(path, `has damaged records: the file is kept as ${basename(path)}.corrupt-…`))
  } catch (error) {
    onDamage(new DamagedFile(path, `has damaged records, and cannot be copied: ${(error as Error).message}`))
  }
}

/**
 * Flushes what a killed process had written and not flushed: readers are served from it, so it must survive a power cut.
 */
export async function syncLog(dir: string): Promise<void> {
  for (const name of await listSegments(dir)) {
    const file = await open(join(dir, name), 'r+')
    try {
      await file.sync()
    } finally {
      await file.close()
    }
  }
}

/** The names of the segments, oldest first. */
export async function listSegments(dir: string): Promise<string[]> {
  await checkFolder(dir)
  const names = ((await unlessAbsent(readdir(dir))) ?? []).filter((name) => /^\d+\.log$/.test(name))
  return names.toSorted((one, other) => numberOf(one) - numberOf(other))
}

/** Whether anything was written to the log, or to the journal of kss 0.1. */
export async function hasLog(dir: string): Promise<boolean> {
  for (const folder of [journalFolder, logFolder].map((name) => join(dir, name))) {
    for (const name of await listSegments(folder)) if ((await stat(join(folder, name))).size > 0) return true
  }
  return false
}

/** The number of a segment. */
export function numberOf(name: string): number {
  return Number.parseInt(name, 10)
}

/** What the log holds of a document. */
export interface LoggedDocument {
  folder: string
  file: string
  /** Precedes the pushes. */
  kept?: KeptRecord
  /** Oldest first. */
  pushes: PushRecord[]
}

/** Collects the records of each document, without those before a tombstone. */
export function collectDocuments(records: LogRecord[]): LoggedDocument[] {
  const folders = new Map<string, Map<string, LoggedDocument>>()
  for (const each of records) {
    const { folder } = each
    const files = folders.get(folder) ?? new Map<string, LoggedDocument>()
    folders.set(folder, files)
    if (each.kind === 'tombstone') {
      if (each.file === undefined) files.clear()
      else files.delete(each.file)
    } else if (each.kind === 'kept') {
      files.set(each.file, { folder, file: each.file, kept: each, pushes: [] })
    } else {
      const known = files.get(each.file)
      if (known) known.pushes.push(each)
      else files.set(each.file, { folder, file: each.file, pushes: [each] })
    }
  }
  return [...folders.values()].flatMap((files) => [...files.values()])
}

/** The record's file as found at the start. */
export interface FoundFile {
  text: string
  stats: Stats
}

/** The result of a recovery: what the files of a document must hold. */
export interface Recovered {
  record: Progress
  /** The last lines of the history, oldest first. */
  rows: Progress[]
  /** SHA-256 in hex of the bytes that the file may have; null when there may be no file. */
  sums: (string | null)[]
  /** The file is another document's. */
  foreign: boolean
  /** The file stays as it is: somebody edited it, or put a copy there that is newer than the log. */
  keepsFile: boolean
}

/**
 * Recovers a document from its log records and its file. Times are ignored: the SHA-256 of the file is looked up among
 * those in the log. A file that is absent, empty or torn is written again.
 */
export function recoverDocument(logged: LoggedDocument, found: FoundFile | undefined, path: string): Recovered {
  const { kept, pushes } = logged
  const rows = rowsOf(logged)
  const last = pushes.at(-1)
  const final = (last ? (last.record ?? last.push) : kept?.record)!
  const file = found && tryParse(found, path)
  const own = file?.document === final.document ? file : undefined
  const foreign = file !== undefined && !own
  const sum = found ? sumOf(found.text) : null
  const sums = sumsOf(logged)
  if (!sums) return recoverOld(logged, own, { rows, sums: [sum], foreign })
  // Only the line end may be missing after a crash.
  const isKnown = sums.includes(sum) || (found && sums.includes(sumOf(`${found.text}\n`)))
  if (!own || isKnown) return { record: final, rows, sums, foreign, keepsFile: false }
  return { record: own, rows, sums: [...sums, sum], foreign, keepsFile: true }
}

/** Formats a log record that stands for all records of the document. */
export function formatCompacted(logged: LoggedDocument): string {
  const path = join(logged.folder, logged.file)
  const { record } = recoverDocument(logged, undefined, path)
  const rows = rowsOf(logged).map((row) => JSON.stringify(row))
  return formatKept(path, rows, JSON.stringify(record), sumsOf(logged))
}

function rowsOf({ kept, pushes }: LoggedDocument): Progress[] {
  return [...(kept?.rows ?? []), ...pushes.filter(({ row }) => row !== false).map(({ push }) => push)]
}

/** SHA-256 in hex of each content that the file may have, null for no file; undefined where a record does not say. */
function sumsOf({ kept, pushes }: LoggedDocument): (string | null)[] | undefined {
  const chain = [...(kept ? (kept.sums ?? [undefined]) : []), ...pushes.flatMap(({ before, after }) => [before, after])]
  return chain.includes(undefined) ? undefined : [...new Set(chain as (string | null)[])]
}

/** The same for the journal of kss 0.1, which has no sums: the later time wins. */
function recoverOld(
  { kept, pushes }: LoggedDocument,
  file: Progress | undefined,
  rest: Pick<Recovered, 'rows' | 'sums' | 'foreign'>,
): Recovered {
  const all = [...(kept ? [...kept.rows, kept.record] : []), ...pushes.map(({ push, record }) => record ?? push)]
  const record = all.reduce(nextProgress, file)!
  const keepsFile = file !== undefined && record.timestamp > all.at(-1)!.timestamp
  return { ...rest, record: keepsFile ? file : record, keepsFile }
}

function tryParse({ text, stats }: FoundFile, path: string): Progress | undefined {
  try {
    return parseProgress(text, path, Math.floor(stats.mtimeMs / 1000))
  } catch {
    return undefined
  }
}
