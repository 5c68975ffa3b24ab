import { rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Progress } from '../../kosync/protocol.ts'
import { replaceFile, setAside, syncFolder } from '../../durable.ts'
import { unlessAbsent } from '../../error-code.ts'
import type { FileCache } from './file-cache.ts'
import type { HistoryFiles } from './files/history-file.ts'
import { formatRecord, sumOf, type StoredRecord } from './files/read-record.ts'

/** A lookup of a record: its file, or the file that a new one gets. */
export interface Located {
  /** The key in the memtable and the cache. */
  key: string
  path: string
  record: Progress | undefined
  /** SHA-256 in hex of the file's bytes, or of those that a pending write gives it; null if there is no file. */
  sum: string | null
  /** The file exists and holds another document. */
  foreign: boolean
}

/** A lookup that found a record. */
export type LocatedRecord = Located & { record: Progress }

/** Edits record and history files directly. The account must be locked, with all pushes in its files. */
export class RecordEditor {
  readonly #files: FileCache<StoredRecord>
  readonly #history: HistoryFiles
  /** Whether a document that has no history gets one. */
  readonly keepsHistory: boolean

  constructor(files: FileCache<StoredRecord>, history: HistoryFiles, keepsHistory: boolean) {
    this.#files = files
    this.#history = history
    this.keepsHistory = keepsHistory
  }

  /** Replaces the record, and the history if rows are passed. */
  async replace({ key, path, foreign }: Located, record: Progress, rows?: Progress[]): Promise<void> {
    if (foreign) await unlessAbsent(setAside(path))
    if (rows) await this.#history.replace(path, rows)
    const text = formatRecord(record)
    try {
      const stats = await replaceFile(path, text)
      this.#files.set(key, path, { record, sum: sumOf(text) }, stats)
    } catch (error) {
      // If only the flush failed, the file has changed all the same: the next push must know its bytes.
      this.#files.delete(key)
      throw error
    }
  }

  async replaceHistory({ path }: Located, rows: Progress[]): Promise<void> {
    await this.#history.replace(path, rows)
  }

  /** Removes the record and its history. */
  async remove({ key, path }: Located): Promise<void> {
    // The record last: after a crash the same call completes the removal.
    await this.#history.remove(path)
    await rm(path, { force: true })
    this.#files.delete(key)
    await syncFolder(dirname(path))
  }
}
