import { basename, dirname } from 'node:path'
import type { Progress } from '../protocol.ts'
import { journalLine } from './journal.ts'

/** What the journal says: a push of a record, or what of that which stands before is void. */
export interface JournalEntry {
  /** The name of the user's folder. */
  folder: string
  /** The name of the record's file in it. Without one all that stands before is void. */
  file?: string
  /** Without one all pushes of the record that matter come again after this line. */
  push?: Progress
  /** False when the push is no row of the history. */
  row?: boolean
}

/** The line for a push; `push` is its JSON. */
export function pushLine(path: string, push: string, isRow: boolean): string {
  const [folder, file] = [basename(dirname(path)), basename(path)]
  const row = isRow ? '' : ',"row":false'
  return journalLine(`{"folder":${JSON.stringify(folder)},"file":${JSON.stringify(file)},"push":${push}${row}}`)
}

/** The line before pushes of a record that stand further up too. */
export function againLine(path: string): string {
  return journalLine(JSON.stringify({ folder: basename(dirname(path)), file: basename(path) } satisfies JournalEntry))
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

/** The pushes of each record, without those that are void. */
export function collectPushes(entries: unknown[]): KeptPushes[] {
  const folders = new Map<string, Map<string, KeptPushes>>()
  for (const { folder, file, push, row = true } of entries.filter(isEntry)) {
    const files = folders.get(folder) ?? new Map<string, KeptPushes>()
    folders.set(folder, files)
    if (file === undefined) files.clear()
    else if (push === undefined) files.delete(file)
    else {
      const kept = files.get(file) ?? { folder, file, pushes: [], rows: [] }
      kept.pushes.push(push)
      if (row) kept.rows.push(push)
      files.set(file, kept)
    }
  }
  return [...folders.values()].flatMap((files) => [...files.values()])
}

/** Not if it would lead out of the state directory: a journal may come from a backup that somebody else made. */
export function isEntry(value: unknown): value is JournalEntry {
  if (typeof value !== 'object' || value === null) return false
  const { folder, file } = value as JournalEntry
  return [folder, file ?? folder].every((name) => typeof name === 'string' && /^[^./\\][^/\\]*$/.test(name))
}
