import type { Progress } from '../kosync/protocol.ts'
import { endWith, hasRow, mergeRows, rowOf } from './file-store/files/rows.ts'
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
  const before = record ? endWith(kept, record) : kept
  const theirs = mergeRows([], rows.map(rowOf))
  const isLatest = !record || isLater(newest, theirs, record, before)
  const { device_id: _ofItsPush, ...fields } = record ?? {}
  const next = isLatest ? { ...fields, ...newest } : record
  const merged = endWith(mergeRows(before, theirs), next)
  return {
    record: title !== undefined && next.title === undefined ? { ...next, title } : next,
    rows: merged,
    isLatest,
    added: Math.max(merged.length - before.length, 0),
  }
}

/** Whether the position there came after the one here. The last row of each side stands for its record. */
function isLater(there: Progress, theirs: Progress[], here: Progress, ours: Progress[]): boolean {
  const [theirLast, ourLast] = [theirs.at(-1)!, ours.at(-1)!]
  if (!hasRow([theirLast], ourLast)) {
    if (hasRow(ours, theirLast)) return false
    if (hasRow(theirs, ourLast)) return true
  }
  return there.timestamp > here.timestamp
}
