import { join } from 'node:path'
import { parseObject, type DamagedFile } from '../damaged-file.ts'
import { isRecordStem } from '../store/file-store/files/record-stem.ts'
import { toFileName } from '../store/file-store/files/file-name.ts'
import { quote } from '../store/finding.ts'
import { ignoredFields, toProgress } from '../store/file-store/files/progress-file.ts'
import { moveRecord, moveRows, replaceRecord, restoreRecord } from './repair-document.ts'
import { checkAccess, checkKind, readText, type Entry, type Scan } from './scan-entries.ts'
import { checkHistories, type Histories } from './scan-histories.ts'
import { authFile } from '../store/file-store/files/auth-file.ts'

/** Where the documents of a folder are; a stem is a file name without its extension. */
interface Places {
  folder: string
  /** The document of each file that holds a record, by stem. */
  documents: Map<string, string>
  /** The stem of each document whose record is served, by document. */
  served: Map<string, string>
  /** All documents that have a record. */
  known: Set<string>
  /** All that is in the folder. */
  names: Set<string>
  histories: Histories
}

export function isRecordName(name: string): boolean {
  return /^[^.].*\.json$/.test(name) && name !== authFile
}

/** Finds records and histories that cannot be read, are not where kss looks for them, or lack one another. */
export async function checkDocuments(scan: Scan, folder: string, entries: Entry[]): Promise<void> {
  const history = entries.find(({ name }) => name === 'history')
  const histories = await checkHistories(scan, folder, history)
  const documents = new Map<string, string>()
  const names = new Set(entries.map(({ name }) => name))
  for (const entry of entries.filter(({ name }) => isRecordName(name))) {
    const document = await checkRecord(scan, entry, histories)
    if (document !== undefined) documents.set(stemOf(entry.name), document)
  }
  const served = new Map<string, string>()
  for (const [stem, document] of documents) {
    const isServed = isRecordStem(stem, document) && (stem === toFileName(document) || !served.has(document))
    if (isServed) served.set(document, stem)
  }
  const places = { folder, documents, served, known: new Set(documents.values()), names, histories }
  for (const [stem, document] of documents) checkPlace(scan, places, stem, document)
  for (const [stem, counts] of histories.lines) checkLines(scan, places, stem, counts)
}

/** Resolves to the document of the record; undefined when the file holds no record. */
async function checkRecord(scan: Scan, entry: Entry, { lines }: Histories): Promise<string | undefined> {
  if (!checkKind(scan, entry, 'file')) return undefined
  checkAccess(scan, entry)
  const text = await readText(scan, entry)
  if (text === undefined) return undefined
  const { at, path, name } = entry
  try {
    const fields = parseObject(text, path)
    const { document } = toProgress(fields, path, 0)
    checkTypes(scan, at, fields)
    return document
  } catch (error) {
    const stem = stemOf(name)
    const hasRow = [...(lines.get(stem)?.keys() ?? [])].some((document) => isRecordStem(stem, document))
    scan.found.push({
      path: at,
      problem: (error as DamagedFile).reason,
      repair: `is set aside; ${hasRow ? 'the newest good line of its history takes its place' : 'the next push of the book begins anew'}`,
      damage: true,
      mend: () => replaceRecord(path),
    })
    return undefined
  }
}

/** Finds fields of the wrong type, which reading ignores: the position is served without them. */
function checkTypes(scan: Scan, at: string, fields: Record<string, unknown>): void {
  const ignored = ignoredFields(fields)
  if (ignored.length === 0) return
  const problem = `has a value of the wrong type: ${ignored.join(', ')}`
  const advice = 'kss ignores it, and the next push of the book removes it'
  scan.found.push({ path: at, problem, advice, damage: false })
}

function checkPlace(scan: Scan, places: Places, stem: string, document: string): void {
  const { folder, served, names, histories } = places
  const right = served.get(document) ?? toFileName(document)
  if (right === stem) return
  const [at, target] = [`${folder}/${stem}.json`, `${right}.json`]
  const problem = served.has(document)
    ? `is of the document ${quote(document)}, as is ${target}`
    : `is of the document ${quote(document)}, whose file is ${target}`
  if (names.has(target) && !places.documents.has(right)) {
    // The file at the target has a finding of its own.
    scan.found.push({ path: at, problem, advice: `first mend ${target}, then repair again`, damage: true })
    return
  }
  if (served.has(document) && histories.isBlocked(right)) {
    scan.found.push({ path: at, problem, advice: `first mend the history of ${target}`, damage: true })
    return
  }
  const repair = served.has(document)
    ? `is merged into ${target}: the newer position stays, the other one goes into the history`
    : `is renamed to ${target}`
  scan.found.push({ path: at, problem, repair, damage: true, mend: () => moveRecord(join(scan.dir, at)) })
}

/** Finds lines that are of another history, and a history that is left of a record. */
function checkLines(scan: Scan, places: Places, stem: string, counts: Map<string, number>): void {
  const { folder, served, names, histories } = places
  const at = `${folder}/history/${stem}.jsonl`
  const record = `${stem}.json`
  const path = join(scan.dir, folder, record)
  for (const [document, count] of counts) {
    const home = served.get(document) ?? (isRecordStem(stem, document) ? stem : toFileName(document))
    const problem = `has ${count} ${count === 1 ? 'line' : 'lines'} of the document ${quote(document)}`
    if (home !== stem && histories.isBlocked(home)) {
      scan.found.push({ path: at, problem, advice: `first mend the history of ${home}.json`, damage: true })
    } else if (home !== stem) {
      const repair = `loses them to history/${home}.jsonl`
      scan.found.push({ path: at, problem, repair, damage: true, mend: () => moveRows(path, document) })
    }
  }
  const isLeft = [...counts.keys()].some((document) => isRecordStem(stem, document) && !places.known.has(document))
  if (isLeft && !names.has(record)) {
    const repair = `gives its newest good line to ${record}`
    scan.found.push({ path: at, problem: 'has no record', repair, damage: true, mend: () => restoreRecord(path) })
  }
}

function stemOf(name: string): string {
  return name.slice(0, -'.json'.length)
}
