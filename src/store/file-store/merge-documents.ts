import { nextProgress, type Progress } from '../../kosync/protocol.ts'
import { readHistory } from './files/history-file.ts'
import type { ProgressFiles } from './progress-files.ts'
import type { LocatedRecord } from './record-editor.ts'
import { mergeRows, rowOf } from './files/rows.ts'
import type { Merged, MergedDocument } from '../store.ts'

/** Groups the rows by document: an archive may hold one document in two files, under an old and a new name. */
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

/** Merges rows from elsewhere into one document. The account must be locked. */
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
  // A single row equals the record: the first push creates the history from it.
  const written = history.length === 0 && rows.length === 1 ? undefined : rows
  if (isChanged || named !== record) await progress.editor.replace(located, named, written)
  return { latest: Number(latest), rows: Math.max(rows.length - before.length, 0) }
}

/**
 * Merges the document `from` into `into`: one history in order of time, the newer position, and the fields that only one
 * of the records has. `from` is removed when the result is durable. The account must be locked.
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

/** The rows of the history, with the record as the last one. */
async function readRows({ path, record }: LocatedRecord): Promise<Progress[]> {
  return mergeRows(await readHistory(path), [rowOf(record)])
}
