import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { unlessAbsent } from '../error-code.ts'
import { collectPushes, isEntry, type JournalEntry } from '../store/file-store/wal/journal-entry.ts'
import { keepCopy } from '../store/file-store/files/keep-copy.ts'
import { isWhole, parseLine } from '../store/file-store/wal/read-journal.ts'
import { replaceFile } from '../durable.ts'
import { checkAccess, checkKind, checkStray, listEntries, readText, type Entry, type Scan } from './scan-entries.ts'

const journalFolder = '.journal'

/** Finds what is wrong with the files of the journal, not with what they say. Resolves to them, oldest first. */
export async function checkJournalFiles(scan: Scan, folder: Entry): Promise<Entry[]> {
  if (!checkKind(scan, folder, 'folder')) return []
  checkAccess(scan, folder)
  const files: Entry[] = []
  for (const entry of await listEntries(scan, journalFolder)) {
    if (!/^\d+\.log$/.test(entry.name)) checkStray(scan, entry)
    else if (checkKind(scan, entry, 'file')) {
      checkAccess(scan, entry)
      files.push(entry)
    }
  }
  return files.toSorted((one, other) => Number.parseInt(one.name, 10) - Number.parseInt(other.name, 10))
}

/**
 * Finds what is wrong with what the journal says. Resolves to the paths, without extension, of the records that the
 * next start brings up to date. What is mended must not be in use: only before a store is opened.
 */
export async function checkJournalLines(scan: Scan, files: Entry[]): Promise<Set<string>> {
  const entries: JournalEntry[] = []
  for (const file of files) {
    const text = await readText(scan, file)
    if (text !== undefined) entries.push(...checkLines(scan, file, text))
  }
  // A server brings it in itself.
  return scan.running ? new Set() : await checkPushes(scan, entries)
}

function checkLines(scan: Scan, { at: name, path }: Entry, text: string): JournalEntry[] {
  const lines = text.split('\n').filter((line) => line !== '')
  const said = lines.map(parseEntry)
  const good = lines.filter((_, at) => said[at] !== undefined)
  const torn = lines.length - 1 - said.findLastIndex((entry) => entry !== undefined)
  const bad = lines.length - good.length - torn
  if (bad > 0) {
    scan.found.push({
      path: name,
      problem: `has ${bad} damaged ${bad === 1 ? 'line' : 'lines'}: pushes that were acknowledged may be lost`,
      damage: true,
      ...(scan.running
        ? { advice: 'stop kss, then repair: a start would drop them' }
        : { repair: 'is kept as a copy; its good lines stay', mend: () => dropBadLines(path, good) }),
    })
  } else if (torn > 0 && !scan.running) {
    const advice = 'nothing is to be done: nobody was told that it is kept, and the next start drops it'
    scan.found.push({ path: name, problem: 'ends in a line that a crash tore', advice, damage: false })
  }
  return said.filter((entry) => entry !== undefined)
}

async function checkPushes({ dir, found }: Scan, entries: JournalEntry[]): Promise<Set<string>> {
  const pending = new Set<string>()
  let [kept, lost] = [0, 0]
  for (const { folder, file, pushes } of collectPushes(entries)) {
    if (await unlessAbsent(stat(join(dir, folder)))) {
      kept += pushes.length
      pending.add(`${folder}/${file.replace(/\.json$/, '')}`)
    } else lost += pushes.length
  }
  if (kept > 0) {
    const problem = `holds ${count(kept)} that may not be in the files yet`
    found.push({ path: journalFolder, problem, advice: 'start kss: it brings them in', damage: false })
  }
  if (lost > 0) {
    const problem = `holds ${count(lost)} for users that are not there`
    const advice = 'nothing is to be done if they were deleted: the next start drops them'
    found.push({ path: journalFolder, problem, advice, damage: false })
  }
  return pending
}

function count(pushes: number): string {
  return pushes === 1 ? '1 push' : `${pushes} pushes`
}

/** What the line says; undefined when it is damaged, or no entry. */
function parseEntry(line: string): JournalEntry | undefined {
  const entry = isWhole(line) ? parseLine(line) : undefined
  return isEntry(entry) ? entry : undefined
}

async function dropBadLines(path: string, good: string[]): Promise<void> {
  await keepCopy(path)
  await replaceFile(path, good.map((line) => `${line}\n`).join(''))
}
