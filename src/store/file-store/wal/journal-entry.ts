import { basename, dirname } from 'node:path'
import type { Progress } from '../../../kosync/protocol.ts'
import { isTooDeep } from '../../../damaged-file.ts'
import { journalLine } from './read-journal.ts'

/** What the journal says: a push of a record, or that entries before this one no longer count. */
export interface JournalEntry {
  /** The name of the user's folder. */
  folder: string
  /** The name of the record's file in it. Without one no entry of the folder before this one counts. */
  file?: string
  push?: Progress
  /** False when the push is no row of the history. */
  row?: boolean
  /**
   * All pushes of the record that count so far, in the place of its entries before this one. Builds before this field
   * wrote an entry without `push`, and then the pushes in entries of their own.
   */
  kept?: Kept
}

/** The pushes of a record that is not in its files yet, and the record that they make. */
export interface Kept {
  /** Rows of the history, oldest first. */
  rows: Progress[]
  record: Progress
}

/** The line for a push; `push` is its JSON. */
export function pushLine(path: string, push: string, isRow: boolean): string {
  const [folder, file] = [basename(dirname(path)), basename(path)]
  const row = isRow ? '' : ',"row":false'
  return journalLine(`{"folder":${JSON.stringify(folder)},"file":${JSON.stringify(file)},"push":${push}${row}}`)
}

/**
 * One line, and so one checksum, for all pushes of a record that count: a crash leaves all of them or none, and none
 * leaves the entries before it as they were. `rows` and `record` are JSON.
 */
export function keptLine(path: string, rows: string[], record: string): string {
  const [folder, file] = [basename(dirname(path)), basename(path)].map((name) => JSON.stringify(name))
  return journalLine(`{"folder":${folder},"file":${file},"kept":{"rows":[${rows.join()}],"record":${record}}}`)
}

/**
 * The line after which nothing that stands before matters for the folder: it is in the files for good, or of another
 * user who had the name.
 */
export function voidLine(folder: string): string {
  return journalLine(JSON.stringify({ folder: basename(folder) } satisfies JournalEntry))
}

/** A record's pushes that the journal keeps, oldest first. */
export interface KeptPushes {
  folder: string
  file: string
  pushes: Progress[]
  /** Those of them that are rows of the history. */
  rows: Progress[]
}

/** The pushes of each record, without those that no longer count. */
export function collectPushes(entries: JournalEntry[]): KeptPushes[] {
  const folders = new Map<string, Map<string, KeptPushes>>()
  for (const { folder, file, push, row = true, kept } of entries) {
    const files = folders.get(folder) ?? new Map<string, KeptPushes>()
    folders.set(folder, files)
    if (file === undefined) files.clear()
    else if (kept) files.set(file, { folder, file, pushes: [...kept.rows, kept.record], rows: [...kept.rows] })
    else if (push === undefined) files.delete(file)
    else {
      const known = files.get(file) ?? { folder, file, pushes: [], rows: [] }
      known.pushes.push(push)
      if (row) known.rows.push(push)
      files.set(file, known)
    }
  }
  return [...folders.values()].flatMap((files) => [...files.values()])
}

/**
 * Whether the journal of any build may say so. Not if it would lead out of the state directory, or to a credential: a
 * journal may come from a backup that somebody else made.
 */
export function isEntry(value: unknown): value is JournalEntry {
  if (typeof value !== 'object' || value === null) return false
  const { folder, file = 'any', push, kept } = value as JournalEntry
  if (!isName(folder) || !isName(file) || file === 'auth.json') return false
  return (push === undefined || isProgress(push)) && (kept === undefined || isKept(kept))
}

function isName(name: unknown): boolean {
  return typeof name === 'string' && /^[^./\\][^/\\]*$/.test(name)
}

function isKept(value: unknown): value is Kept {
  const { rows, record } = { ...(value as Kept | null) }
  return Array.isArray(rows) && rows.every(isProgress) && isProgress(record)
}

function isProgress(value: unknown): value is Progress {
  const { document, percentage, progress, device, timestamp } = { ...(value as Progress | null) }
  if (isTooDeep(value)) return false
  const texts = [document, progress, device]
  return texts.every((text) => typeof text === 'string') && [percentage, timestamp].every(Number.isFinite)
}
