import { open, readdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { DamagedFile } from '../../../damaged-file.ts'
import { unlessAbsent } from '../../../error-code.ts'
import type { Progress } from '../../../kosync/protocol.ts'
import { checkFolder, openTrusted } from '../../../trusted-file.ts'
import { journalFolder, logFolder } from '../files/folder-names.ts'
import { keepCopy } from '../files/keep-copy.ts'
import { decodeSegment, parseRecord, type LogRecord } from './record.ts'

export interface LogContent {
  /** Oldest first. */
  records: LogRecord[]
  /** The number of the newest segment; 0 when there is none. */
  newest: number
}

/**
 * Reads the log. Of a damaged segment a copy is kept as `<name>.corrupt-<time>`, `onDamage` is told, and its valid records
 * count. Rejects as the file system does.
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
 * Flushes what a process that was killed had written and not flushed: files that are built on a record must not outlive
 * it, or a later recovery would not know them for what they are.
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

/** The pushes of a document that the log holds, oldest first. */
export interface LoggedPushes {
  folder: string
  file: string
  pushes: Progress[]
  /** Those of them that belong into the history. */
  rows: Progress[]
}

/** The pushes of each document, without those before a tombstone. */
export function collectPushes(records: LogRecord[]): LoggedPushes[] {
  const folders = new Map<string, Map<string, LoggedPushes>>()
  for (const each of records) {
    const { folder } = each
    const files = folders.get(folder) ?? new Map<string, LoggedPushes>()
    folders.set(folder, files)
    if (each.kind === 'tombstone') {
      if (each.file === undefined) files.clear()
      else files.delete(each.file)
    } else if (each.kind === 'kept') {
      const { file, rows, record } = each
      files.set(file, { folder, file, pushes: [...rows, record], rows: [...rows] })
    } else {
      const { file, push, row = true } = each
      const known = files.get(file) ?? { folder, file, pushes: [], rows: [] }
      known.pushes.push(push)
      if (row) known.rows.push(push)
      files.set(file, known)
    }
  }
  return [...folders.values()].flatMap((files) => [...files.values()])
}
