import { randomBytes } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Progress } from '../kosync/protocol.ts'
import { makeFolder, renameFile, replaceFile, setAside, syncFolder } from '../durable.ts'
import { findRecordStem, isRecordStem, readIfValid } from '../store/file-store/files/record-stem.ts'
import { unlessAbsent } from '../error-code.ts'
import { toFileName } from '../store/file-store/files/file-name.ts'
import { historyPath, parseRow, readHistory, readLines } from '../store/file-store/files/history-file.ts'
import { keepCopy } from '../store/file-store/files/keep-copy.ts'
import { mergeRows, rowOf } from '../store/file-store/files/rows.ts'

/** Sets aside a record that cannot be read; the newest good line of its history takes its place. */
export async function replaceRecord(path: string): Promise<void> {
  if (await readIfValid(path)) return
  await unlessAbsent(setAside(path))
  await restoreRecord(path)
}

/** Makes the record of the newest good line of its history. */
export async function restoreRecord(path: string): Promise<void> {
  const folder = dirname(path)
  const stem = basename(path, '.json')
  const newest = (await readHistory(path)).findLast(({ document }) => isRecordStem(stem, document))
  if (!newest || (await findRecordStem(folder, newest.document)) !== undefined) return
  if (!(await readdir(folder)).includes(basename(path))) await replaceFile(path, `${JSON.stringify(newest)}\n`)
}

/** Brings a record to where its document is looked for. */
export async function moveRecord(path: string): Promise<void> {
  const folder = dirname(path)
  const record = await readIfValid(path)
  if (!record) return
  const { document } = record
  const target = join(folder, `${(await findRecordStem(folder, document)) ?? toFileName(document)}.json`)
  if (target === path) return
  const other = await readIfValid(target)
  if (other?.document === document) {
    await mergeRecords(target, other, record)
    await rm(path)
  } else {
    // Under a name that is nobody's: it is moved to its own in its turn.
    const parked = join(folder, `moved-${randomBytes(6).toString('hex')}.json`)
    if ((await readdir(folder)).includes(basename(target))) await renameFile(target, parked)
    await renameFile(path, target)
  }
  await syncFolder(folder)
}

/** The newer one stays, with what only the older one has; both are in the history. */
async function mergeRecords(target: string, one: Progress, other: Progress): Promise<void> {
  const [older, newer] = other.timestamp < one.timestamp ? [other, one] : [one, other]
  await addRows(target, newer.document, [rowOf(older), rowOf(newer)])
  const { device_id: _ofItsPush, ...kept } = older
  await replaceFile(target, `${JSON.stringify({ ...kept, ...newer })}\n`)
}

/** Keeps a copy of a history, and leaves only the lines that can be read. */
export async function dropBadRows(recordPath: string): Promise<void> {
  await rewriteHistory(recordPath, (rows) => rows)
}

/** Brings the lines of one document from the history of a record to that of its own. */
export async function moveRows(recordPath: string, document: string): Promise<void> {
  const folder = dirname(recordPath)
  const target = join(folder, `${(await findRecordStem(folder, document)) ?? toFileName(document)}.json`)
  if (target === recordPath) return
  const rows = (await readHistory(recordPath)).filter((row) => row.document === document)
  await addRows(target, document, rows)
  await rewriteHistory(recordPath, (all) => all.filter((row) => row.document !== document))
}

async function addRows(recordPath: string, document: string, added: Progress[]): Promise<void> {
  await rewriteHistory(recordPath, (rows) => [
    ...rows.filter((row) => row.document !== document),
    ...mergeRows(
      rows.filter((row) => row.document === document),
      added,
    ),
  ])
}

/** Durably; nothing is left of a history without lines. A line that cannot be read stays in a copy. */
async function rewriteHistory(recordPath: string, change: (rows: Progress[]) => Progress[]): Promise<void> {
  const path = historyPath(recordPath)
  const lines = await readLines(path)
  const known = new Map<Progress, string>()
  for (const line of lines) {
    const row = parseRow(line, path)
    if (row) known.set(row, line)
  }
  const changed = change([...known.keys()])
  if (known.size < lines.length) await keepCopy(path)
  if (changed.length > 0) {
    await makeFolder(dirname(path))
    // What stays is as it was.
    const kept = changed.map((row) => `${known.get(row) ?? JSON.stringify(row)}\n`)
    await replaceFile(path, kept.join(''))
  } else {
    await rm(path, { force: true })
    await unlessAbsent(syncFolder(dirname(path)))
  }
}
