import { nextProgress, type Progress } from '../../kosync/protocol.ts'
import { readHistory } from './files/history-file.ts'
import type { ProgressFiles } from './progress-files.ts'
import type { LocatedRecord } from './record-editor.ts'
import { mergeRows, rowOf } from './files/rows.ts'
import type { Merged, MergedDocument } from '../store.ts'

/** Each document once: an archive may have two files of one, under an old name and a new. */
export function groupDocuments(documents: MergedDocument[]): MergedDocument[] {
  const grouped = new Map<string, MergedDocument>()
  for (const each of documents) {
    const { document } = each.rows[0]!
    const before = grouped.get(document)
    const rows = [...(before?.rows ?? []), ...each.rows].toSorted((one, other) => one.timestamp - other.timestamp)
    grouped.set(document, before ? { ...each, ...before, rows } : each)
  }
  return [...grouped.values()]
}

/** Adds what is known of one document. Nobody may push into the folder meanwhile. */
export async function mergeDocument(
  progress: ProgressFiles,
  folder: string,
  { rows: added, title }: MergedDocument,
): Promise<Omit<Merged, 'documents'>> {
  const located = await progress.locate(folder, added[0]!.document)
  const { path, record } = located
  const history = await readHistory(path)
  const before = mergeRows(history, record ? [rowOf(record)] : [])
  const rows = mergeRows(before, added.map(rowOf))
  const newest = added.reduce((one, other) => (other.timestamp >= one.timestamp ? other : one))
  const latest = !record || newest.timestamp > record.timestamp
  const { device_id: _ofItsPush, ...kept } = record ?? {}
  const next = latest ? { ...kept, ...newest } : record
  const named = title !== undefined && next.title === undefined ? { ...next, title } : next
  const isChanged = JSON.stringify(rows) !== JSON.stringify(before)
  // One row is the record itself: the first push makes a history of it.
  const written = history.length === 0 && rows.length === 1 ? undefined : rows
  if (isChanged || named !== record) await progress.editor.replace(located, named, written)
  return { latest: Number(latest), rows: Math.max(rows.length - before.length, 0) }
}

/**
 * Makes `from` a part of `into`: one history in the order of the times, the newer position, and what only one of the
 * records has. `from` is removed when that is durable. Nobody may push into the folder meanwhile.
 */
export async function joinDocuments(
  { editor }: ProgressFiles,
  from: LocatedRecord,
  into: LocatedRecord,
): Promise<void> {
  const { document } = into.record
  const moved = { ...from.record, document }
  const movedRows = (await readRows(from)).map((row) => ({ ...row, document }))
  const isNewer = moved.timestamp > into.record.timestamp
  const record = isNewer ? nextProgress(into.record, moved) : nextProgress(moved, into.record)
  await editor.replace(into, record, mergeRows(await readRows(into), movedRows))
  await editor.remove(from)
}

/** The history with the record as its last row. */
async function readRows({ path, record }: LocatedRecord): Promise<Progress[]> {
  return mergeRows(await readHistory(path), [rowOf(record)])
}
