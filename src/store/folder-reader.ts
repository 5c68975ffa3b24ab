import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import pLimit from 'p-limit'
import type { Progress } from '../protocol.ts'
import { DamagedFile } from './damaged-file.ts'
import { unlessAbsent } from './error-code.ts'
import { readHistory } from './history-file.ts'
import { parseProgress } from './progress-file.ts'

/** A record as its file holds it. */
export interface StoredRecord {
  path: string
  record: Progress
}

/** Files that are read at a time. */
const readers = 16

/** The records of a user's folder, without those that cannot be read: `kss check` tells of them. */
export async function readRecords(folder: string): Promise<StoredRecord[]> {
  const names = ((await unlessAbsent(readdir(folder))) ?? []).filter((name) => /^[^.].*\.json$/.test(name))
  const limit = pLimit(readers)
  const records = await Promise.all(
    names.filter((name) => name !== 'auth.json').map((name) => limit(() => readOne(join(folder, name)))),
  )
  return records.filter((record) => record !== undefined)
}

/** The rows of the record's history, oldest first; the record alone when it has none. */
export async function readRows({ path, record }: StoredRecord): Promise<Progress[]> {
  const rows = await readHistory(path)
  return rows.length > 0 ? rows : [record]
}

/** How many bytes the files of a folder hold. */
export async function sizeOf(folder: string): Promise<number> {
  const entries = (await unlessAbsent(readdir(folder, { withFileTypes: true, recursive: true }))) ?? []
  const limit = pLimit(readers)
  const files = entries.filter((entry) => entry.isFile())
  const sizes = files.map(({ parentPath, name }) => limit(() => unlessAbsent(stat(join(parentPath, name)))))
  return (await Promise.all(sizes)).reduce((sum, stats) => sum + (stats?.size ?? 0), 0)
}

async function readOne(path: string): Promise<StoredRecord | undefined> {
  try {
    const [text, stats] = [await unlessAbsent(readFile(path, 'utf8')), await unlessAbsent(stat(path))]
    if (text === undefined || !stats) return undefined
    return { path, record: parseProgress(text, path, Math.floor(stats.mtimeMs / 1000)) }
  } catch (error) {
    if (error instanceof DamagedFile) return undefined
    throw error
  }
}
