import type { Dirent } from 'node:fs'
import { join } from 'node:path'
import { DamagedFile, parseObject } from '../damaged-file.ts'
import { toProblem, type ImportedRows } from './imported-rows.ts'
import { listFolder, readEntry, resolveEntry, type Folder, type KssFile } from './kss-folder.ts'
import { canHold } from './kss-names.ts'
import { quote } from './one-line.ts'

/** One record: a file, or a line of a history. */
interface Text {
  text: string
  where: string
  /** Path of the record's file, relative to the user's folder and without the extension. */
  fileName: string
  fileTime: number
  /** Whether the title of this record is the title of the document. */
  isNewest: boolean
}

/**
 * Adds the records of all <document>.json in `entries`: the entries of the user's folder, or of the folder `prefix`
 * below it. Python kss makes folders for a document with a slash.
 */
export async function addRecords(rows: ImportedRows, folder: Folder, entries: Dirent[], prefix = ''): Promise<void> {
  const records = entries.filter((entry) => entry.name !== 'auth.json' && !entry.isDirectory())
  readEach(rows, folder, records, '.json', ({ text, fileTime }, where, fileName) => {
    addRow(rows, { text, where, fileName: prefix + fileName, fileTime, isNewest: true })
  })
  for (const { name } of entries.filter((entry) => entry.isDirectory())) {
    const inner = { path: join(folder.path, name), name: `${folder.name}/${name}` }
    try {
      const found = await listFolder(inner.path)
      // On Python kss a user name could contain a slash, too.
      if (found.some((entry) => entry.name === 'auth.json'))
        throw new DamagedFile(quote(inner.name), 'is the folder of another user')
      await addRecords(rows, inner, found, `${prefix}${name}/`)
    } catch (error) {
      rows.problems.push(toProblem(error, quote(inner.name)))
    }
  }
}

/** Adds the rows of all history/<document>.jsonl; `entries` are the entries of the user's folder. */
export async function addHistories(rows: ImportedRows, folder: Folder, entries: Dirent[]): Promise<void> {
  const entry = entries.find(({ name }) => name === 'history')
  if (!entry) return
  const name = `${folder.name}/history`
  try {
    const path = resolveEntry(folder.path, entry, quote(name))
    readEach(rows, { path, name }, await listFolder(path), '.jsonl', ({ text }, where, fileName) => {
      for (const [at, line] of text.split('\n').entries()) {
        // A row without a time must not get the time of the file.
        if (line === '') continue
        addRow(rows, { text: line, where: `${where}, line ${at + 1}`, fileName, fileTime: 0, isNewest: false })
      }
    })
  } catch (error) {
    rows.problems.push(toProblem(error, quote(name)))
  }
}

function readEach(
  { problems }: ImportedRows,
  folder: Folder,
  entries: Dirent[],
  extension: '.json' | '.jsonl',
  add: (file: KssFile, where: string, fileName: string) => void,
): void {
  for (const entry of entries.filter(({ name }) => name.endsWith(extension))) {
    const where = quote(`${folder.name}/${entry.name}`)
    try {
      add(readEntry(folder.path, entry, where), where, entry.name.slice(0, -extension.length))
    } catch (error) {
      problems.push(toProblem(error, where))
    }
  }
}

function addRow(rows: ImportedRows, { text, where, fileName, fileTime, isNewest }: Text): void {
  try {
    const record = parseObject(text, where)
    const { document, title } = record
    if (typeof document === 'string' && !canHold(fileName, document)) {
      throw new DamagedFile(where, `holds the document ${quote(document)}, which has no place there`)
    }
    rows.add(record, where, fileTime, isNewest ? title : undefined)
  } catch (error) {
    rows.problems.push(toProblem(error, where))
  }
}
