import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile } from '../durable.ts'
import { unlessAbsent } from '../error-code.ts'
import { journalFolder, logFolder } from '../store/file-store/files/folder-names.ts'
import { keepCopy } from '../store/file-store/files/keep-copy.ts'
import { parseJournalLine } from '../store/file-store/wal/old-journal.ts'
import {
  decodeSegment,
  encodeBatch,
  parseRecord,
  segmentHeader,
  type DecodedSegment,
  type LogRecord,
} from '../store/file-store/wal/record.ts'
import { collectDocuments, numberOf } from '../store/file-store/wal/recovery.ts'
import { checkAccess, checkKind, checkStray, listEntries, readBytes, type Entry, type Scan } from './scan-entries.ts'

/** Folders of the log, and of the journal of kss 0.1, which a start reads first. */
export const logFolders = [journalFolder, logFolder]

/** Checks the files of the log, not their records. Resolves to the segments, oldest first. */
export async function checkLogFiles(scan: Scan, folder: Entry): Promise<Entry[]> {
  if (!checkKind(scan, folder, 'folder')) return []
  checkAccess(scan, folder)
  const files: Entry[] = []
  for (const entry of await listEntries(scan, folder.at)) {
    if (!/^\d+\.log$/.test(entry.name)) checkStray(scan, entry)
    else if (checkKind(scan, entry, 'file')) {
      checkAccess(scan, entry)
      files.push(entry)
    }
  }
  return files.toSorted((one, other) => numberOf(one.name) - numberOf(other.name))
}

/**
 * Checks the records of the log. Resolves to the paths, without extension, of the documents that the next start brings up to
 * date. The findings may be mended only before a store is opened, since they rewrite segments.
 */
export async function checkLogRecords(scan: Scan, files: Entry[]): Promise<Set<string>> {
  const records: LogRecord[] = []
  let at = logFolder
  for (const file of files) {
    const bytes = await readBytes(scan, file)
    if (!bytes) continue
    const isOld = file.at.startsWith(`${journalFolder}/`)
    const found = isOld ? checkJournal(scan, file, bytes.toString()) : await checkSegment(scan, file, bytes)
    records.push(...found)
    if (found.length > 0) at = isOld ? journalFolder : logFolder
  }
  // A server brings it in itself.
  return scan.running ? new Set() : await checkPushes(scan, at, records)
}

function checkJournal(scan: Scan, entry: Entry, text: string): LogRecord[] {
  const lines = text.split('\n').filter((line) => line !== '')
  const said = lines.map(parseJournalLine)
  const good = lines.filter((_, at) => said[at] !== undefined)
  const torn = lines.length - 1 - said.findLastIndex((record) => record !== undefined)
  const bad = lines.length - good.length - torn
  if (bad > 0) {
    const what = `${bad} damaged ${bad === 1 ? 'line' : 'lines'}`
    tellDamage(scan, entry, what, 'lines', good.map((line) => `${line}\n`).join(''))
  } else if (torn > 0 && !scan.running) {
    const advice = 'nothing is to be done: nobody was told that it is kept, and the next start drops it'
    scan.found.push({ path: entry.at, problem: 'ends in a line that a crash tore', advice, damage: false })
  }
  return said.filter((record) => record !== undefined)
}

async function checkSegment(scan: Scan, entry: Entry, bytes: Buffer): Promise<LogRecord[]> {
  const number = numberOf(entry.name)
  try {
    const { lines, records, isDamaged } = readSegment(bytes, number)
    if (isDamaged && !(scan.running && (await wasBeingWritten(scan, entry, lines)))) {
      const good = lines.filter((_, at) => records[at])
      const batch = good.length > 0 ? encodeBatch(number, good.map((line) => `${line}\n`).join('')) : ''
      tellDamage(scan, entry, 'damaged records', 'records', segmentHeader(number) + batch)
    }
    return records.filter((record) => record !== undefined)
  } catch (error) {
    const advice = 'install the newest kss, then check again'
    scan.found.push({ path: entry.at, problem: `cannot be read: ${(error as Error).message}`, advice, damage: true })
    return []
  }
}

function readSegment(bytes: Buffer, number: number): DecodedSegment & { records: (LogRecord | undefined)[] } {
  const { lines, isDamaged } = decodeSegment(bytes, number)
  const records = lines.map(parseRecord)
  return { lines, records, isDamaged: isDamaged || records.includes(undefined) }
}

/**
 * Whether a segment that looked damaged is whole, or gone, when it is read again: a server may write a batch, or recycle
 * the segment, during the first read. `lines` are the valid lines of the first read.
 */
async function wasBeingWritten(scan: Scan, entry: Entry, lines: string[]): Promise<boolean> {
  const bytes = await readBytes(scan, entry)
  const again = bytes && readSegment(bytes, numberOf(entry.name))
  return !again?.isDamaged || lines.some((line, at) => line !== again.lines[at])
}

/** Adds a finding for a damaged file of the log; `mended` is its text without the damaged part. */
function tellDamage({ found, running }: Scan, { at, path }: Entry, what: string, units: string, mended: string): void {
  const mend = async (): Promise<void> => {
    await keepCopy(path)
    await replaceFile(path, mended)
  }
  found.push({
    path: at,
    problem: `has ${what}: pushes that were acknowledged may be lost`,
    damage: true,
    ...(running
      ? { advice: 'stop kss, then repair: a start would drop them' }
      : { repair: `is kept as a copy; its good ${units} stay`, mend }),
  })
}

async function checkPushes({ dir, found }: Scan, at: string, records: LogRecord[]): Promise<Set<string>> {
  const pending = new Set<string>()
  let [kept, lost] = [0, 0]
  for (const { folder, file, kept: keptAnew, pushes } of collectDocuments(records)) {
    const known = pushes.length + (keptAnew ? keptAnew.rows.length + 1 : 0)
    if (await unlessAbsent(stat(join(dir, folder)))) {
      kept += known
      pending.add(`${folder}/${file.replace(/\.json$/, '')}`)
    } else lost += known
  }
  if (kept > 0) {
    const problem = `holds ${count(kept)} that may not be in the files yet`
    found.push({ path: at, problem, advice: 'start kss: it brings them in', damage: false })
  }
  if (lost > 0) {
    const problem = `holds ${count(lost)} for users that are not there`
    const advice = 'nothing is to be done if they were deleted: the next start drops them'
    found.push({ path: at, problem, advice, damage: false })
  }
  return pending
}

function count(pushes: number): string {
  return pushes === 1 ? '1 push' : `${pushes} pushes`
}
