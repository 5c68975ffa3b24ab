import type { Progress } from '../kosync/protocol.ts'
import { hasRow, mergeRows, rowOf } from './file-store/files/rows.ts'
import type { MergedDocument } from './store.ts'

/** A document as a store keeps it. */
export interface KeptDocument {
  record: Progress | undefined
  rows: Progress[]
}

/** What a document becomes. */
export interface MergedRows {
  record: Progress
  rows: Progress[]
  /** Whether the record is the one from elsewhere. */
  isLatest: boolean
  /** Rows that were not known. */
  added: number
}

/** Adds to a document what is known of it elsewhere. @see Admin.importAccount */
export function addDocument({ record, rows: kept }: KeptDocument, { rows, title }: MergedDocument): MergedRows {
  const newest = rows.at(-1)!
  const before = mergeRows(kept, record ? [rowOf(record)] : [])
  const merged = mergeRows(before, rows.map(rowOf))
  const isLatest = !record || (!hasRow(before, newest) && (newest.timestamp > record.timestamp || hasRow(rows, record)))
  const { device_id: _ofItsPush, ...fields } = record ?? {}
  const next = isLatest ? { ...fields, ...newest } : record
  return {
    record: title !== undefined && next.title === undefined ? { ...next, title } : next,
    rows: merged,
    isLatest,
    added: Math.max(merged.length - before.length, 0),
  }
}
