import { stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import pLimit from 'p-limit'
import { replaceUnflushed, setAside, syncFile, syncFolder } from '../../../durable.ts'
import { unlessAbsent } from '../../../error-code.ts'
import { readWithStats, type FileCache } from '../file-cache.ts'
import type { HistoryFiles } from '../files/history-file.ts'
import { formatRecord, type StoredRecord } from '../files/read-record.ts'
import type { WriteAheadLog } from './log.ts'
import type { Memtable, Entry } from './memtable.ts'
import { collectDocuments, recoverDocument, type FoundFile, type LoggedDocument } from './recovery.ts'

/** Folders whose files are flushed at a time. */
const flushers = 2

export interface DocumentParts {
  log: WriteAheadLog
  memtable: Memtable
  files: FileCache<StoredRecord>
  /** Undefined when none is kept. */
  history: HistoryFiles | undefined
}

/** Writes what is pending for a document to its record and its history, and flushes them. What fails is noted in its entry. */
export class DocumentFiles {
  readonly #log: WriteAheadLog
  readonly #memtable: Memtable
  readonly #files: FileCache<StoredRecord>
  readonly #history: HistoryFiles | undefined
  readonly #tell: (error: unknown) => void
  /** By folder. */
  readonly #flushing = new Map<string, Promise<void>>()

  constructor({ log, memtable, files, history }: DocumentParts, tell: (error: unknown) => void) {
    this.#log = log
    this.#memtable = memtable
    this.#files = files
    this.#history = history
    this.#tell = tell
  }

  /** Writes the files, so that they can be read; not durably. */
  write(entry: Entry): Promise<void> {
    return this.#inTurn(entry, () => this.#write(entry))
  }

  /** One writer per path. */
  #inTurn(entry: Entry, work: () => Promise<void>): Promise<void> {
    const before = entry.writing ?? Promise.resolve()
    const writing = before.then(work)
    entry.writing = writing.catch(() => undefined)
    return writing
  }

  async #write(entry: Entry): Promise<void> {
    const { key, path, pending } = entry
    if (!pending) return
    const taken = { ...pending, lines: [...pending.lines] }
    const { folder } = this.#log
    try {
      await folder.check()
      if (entry.foreign) await unlessAbsent(setAside(path))
      entry.foreign = false
      if (this.#history && taken.lines.length > 0) {
        const isNew = await this.#history.add(path, taken.lines, entry.unsure)
        entry.history = isNew || entry.history === 'new' ? 'new' : 'longer'
      }
      const stats = await replaceUnflushed(path, formatRecord(taken.record))
      this.#memtable.written(entry, taken)
      // Else a newer push waits for the next round.
      if (!entry.pending) this.#files.set(key, path, { record: taken.record, sum: taken.sum }, stats)
    } catch (error) {
      if (await this.#isGone(dirname(path))) {
        // The user was deleted, or the folder removed by hand.
        this.#memtable.delete(entry)
        this.#files.delete(key)
      } else Object.assign(entry, { failure: error, unsure: true })
    }
  }

  /** Whether the folder is not there: not when the disk cannot say, or the whole state directory is elsewhere. */
  async #isGone(folder: string): Promise<boolean> {
    try {
      return (await this.#log.folder.isInPlace()) && (await unlessAbsent(stat(folder))) === undefined
    } catch {
      return false
    }
  }

  /** Makes durable what is in the files. */
  async flush(entries: Entry[]): Promise<void> {
    const folders = new Map<string, Entry[]>()
    for (const entry of entries) {
      const folder = dirname(entry.path)
      const others = folders.get(folder)
      if (others) others.push(entry)
      else folders.set(folder, [entry])
    }
    const limit = pLimit(flushers)
    await Promise.all([...folders].map((each) => limit(() => this.#flushInTurn(...each))))
  }

  /** An entry that two flush at a time would be taken for durable by one, when the other's flush fails. */
  async #flushInTurn(folder: string, entries: Entry[]): Promise<void> {
    const before = this.#flushing.get(folder) ?? Promise.resolve()
    const flushing = before.then(() => this.#flushFolder(folder, entries))
    this.#flushing.set(folder, flushing)
    await flushing
    if (this.#flushing.get(folder) === flushing) this.#flushing.delete(folder)
  }

  /** Flushes the files first, so that an entry of the folder never leads to a file that is not durable. */
  async #flushFolder(folder: string, all: Entry[]): Promise<void> {
    const entries = all.filter(({ writes, isLost }) => writes > 0 && !isLost)
    if (entries.length === 0) return
    const began = entries.map((entry) => ({ ...entry, sums: [...entry.sums] }))
    for (const entry of entries) {
      try {
        await syncFile(entry.path)
        const { history } = entry
        // What is added from here on is for the next flush.
        entry.history = undefined
        if (history) await this.#history?.flush(entry.path, history === 'new')
      } catch (error) {
        lose(entry, error)
      }
    }
    try {
      await unlessAbsent(syncFolder(folder))
    } catch (error) {
      for (const entry of entries) lose(entry, error)
    }
    for (const [at, entry] of entries.entries()) if (!entry.isLost) this.#memtable.flushed(entry, began[at]!)
  }

  /** Takes what the files should hold from the log. They take no push meanwhile. */
  async restoreLost(entries: Entry[]): Promise<void> {
    const lost = new Map(entries.filter(({ isLost }) => isLost).map((entry) => [placeOf(entry.path), entry]))
    if (lost.size === 0) return
    await this.#log.inspect(async (records) => {
      for (const logged of collectDocuments(records)) {
        const entry = lost.get(`${logged.folder}/${logged.file}`)
        if (entry) await this.#inTurn(entry, () => this.#restore(entry, logged))
      }
    }, this.#tell)
    for (const entry of lost.values()) {
      delete entry.isLost
      delete entry.failure
    }
  }

  async #restore(entry: Entry, logged: LoggedDocument): Promise<void> {
    const { key, path } = entry
    const found = await readFound(path, this.#tell)
    // Forgotten meanwhile: the folder may be another account's by now.
    if (this.#memtable.get(key) !== entry) return
    const recovered = recoverDocument(logged, found, path)
    if (recovered.keepsFile) await this.#history?.addMissing(path, recovered.rows)
    else this.#memtable.restore(key, path, recovered)
  }
}

/** The record's file; undefined when there is none, or it cannot be read: what was pushed is known from the log. */
export async function readFound(path: string, onDamage: (error: unknown) => void): Promise<FoundFile | undefined> {
  try {
    return await unlessAbsent(readWithStats(path))
  } catch (error) {
    onDamage(error)
    return undefined
  }
}

/** Notes that nobody knows what is on the disk: the log stays, and the files are made anew from it. */
export function lose(entry: Entry, error: unknown): void {
  entry.failure = error
  entry.isLost = true
  entry.history = 'new'
}

/** Folder and file, as a record of the log has them. */
function placeOf(path: string): string {
  return `${basename(dirname(path))}/${basename(path)}`
}
