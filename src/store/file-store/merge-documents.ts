import { nextProgress } from '../../kosync/protocol.ts'
import { readHistory } from './files/history-file.ts'
import type { ProgressFiles } from './progress-files.ts'
import type { LocatedRecord } from './record-editor.ts'
import { addDocument } from '../add-document.ts'
import { endWith, interleaveRows, mergeRows } from './files/rows.ts'
import type { Merged, MergedDocument } from '../store.ts'

/** Groups the rows by document: an archive may hold one document in two files, under an old and a new name. */
export function groupDocuments(documents: MergedDocument[]): MergedDocument[] {
  const grouped = new Map<string, MergedDocument>()
  for (const each of documents) {
    const { document } = each.rows[0]!
    const before = grouped.get(document)
    grouped.set(document, before ? { ...each, ...before, rows: interleaveRows(before.rows, each.rows) } : each)
  }
  return [...grouped.values()]
}

/** Merges rows from elsewhere into one document. The account must be locked. */
export async function mergeDocument(
  progress: ProgressFiles,
  folder: string,
  added: MergedDocument,
): Promise<Omit<Merged, 'documents'>> {
  const located = await progress.locate(folder, added.rows[0]!.document)
  const history = await readHistory(located.path)
  const before = { record: located.record, rows: history }
  const merged = addDocument(before, added)
  const isChanged = merged.record !== before.record || JSON.stringify(merged.rows) !== JSON.stringify(history)
  // A single row equals the record: the first push creates the history from it.
  const needsHistory = progress.editor.keepsHistory && merged.rows.length > 1
  const rows = history.length > 0 || needsHistory ? merged.rows : undefined
  if (isChanged) await progress.editor.replace(located, merged.record, rows)
  return { latest: Number(merged.isLatest), rows: merged.added }
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
  const histories = [await readHistory(into.path), await readHistory(from.path)] as const
  const [rows, movedRows] = [endWith(histories[0], into.record), endWith(histories[1], from.record)]
  const merged = mergeRows(
    rows,
    movedRows.map((row) => ({ ...row, document })),
  )
  const isNewer = moved.timestamp > into.record.timestamp
  const record = isNewer ? nextProgress(into.record, moved) : nextProgress(moved, into.record)
  const hasHistory = editor.keepsHistory || histories.flat().length > 0
  await editor.replace(into, record, hasHistory ? endWith(merged, record) : undefined)
  await editor.remove(from)
}
