import { rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Progress } from '../../kosync/protocol.ts'
import { replaceFile, setAside, syncFolder } from '../../durable.ts'
import { unlessAbsent } from '../../error-code.ts'
import type { FileCache } from './file-cache.ts'
import type { HistoryFiles } from './files/history-file.ts'
import { formatRecord, sumOf, type StoredRecord } from './files/read-record.ts'

/** Where a record is, or would be. */
export interface Located {
  /** What the cache of records knows it by. */
  key: string
  path: string
  record: Progress | undefined
  /** SHA-256 in hex of the file's bytes, or of those that it gets next; null when there is none. */
  sum: string | null
  /** The file is there, but it is another document's. */
  foreign: boolean
}

/** Where a record is. */
export type LocatedRecord = Located & { record: Progress }

/** Changes the files of records that nobody pushes to meanwhile. */
export class RecordEditor {
  readonly #files: FileCache<StoredRecord>
  readonly #history: HistoryFiles
  readonly #keepsHistory: boolean

  constructor(files: FileCache<StoredRecord>, history: HistoryFiles, keepsHistory: boolean) {
    this.#files = files
    this.#history = history
    this.#keepsHistory = keepsHistory
  }

  /** Puts the record in its file, and the rows, if they are given and a history is kept, in the place of its. */
  async replace({ key, path, foreign }: Located, record: Progress, rows?: Progress[]): Promise<void> {
    if (foreign) await unlessAbsent(setAside(path))
    if (rows && this.#keepsHistory) await this.#history.replace(path, rows)
    const text = formatRecord(record)
    const stats = await replaceFile(path, text)
    this.#files.set(key, path, { record, sum: sumOf(text) }, stats)
  }

  async replaceHistory({ path }: Located, rows: Progress[]): Promise<void> {
    await this.#history.replace(path, rows)
  }

  /** Removes the record and its history. */
  async remove({ key, path }: Located): Promise<void> {
    // Last, so that a crash leaves what can be removed again.
    await this.#history.remove(path)
    await rm(path, { force: true })
    this.#files.delete(key)
    await syncFolder(dirname(path))
  }
}
