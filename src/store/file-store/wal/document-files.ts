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
import type { LogRecord } from './record.ts'
import { collectDocuments, formatCompacted, recoverDocument, type FoundFile, type LoggedDocument } from './recovery.ts'

/** Folders whose files are flushed at a time. */
const flushers = 2

export interface DocumentParts {
  log: WriteAheadLog
  memtable: Memtable
  files: FileCache<StoredRecord>
  /** Undefined when none is kept. */
  history: HistoryFiles | undefined
}

/** Writes and flushes the record and history files of memtable entries. A failure is stored in the entry. */
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
    return this.#serialize(entry, () => this.#write(entry))
  }

  /** Runs one write per document at a time. */
  #serialize(entry: Entry, work: () => Promise<void>): Promise<void> {
    const before = entry.writing ?? Promise.resolve()
    const writing = before.then(work)
    entry.writing = writing.catch(() => undefined)
    return writing
  }

  async #write(entry: Entry): Promise<void> {
    const { key, path, pending } = entry
    if (!pending) return
    const snapshot = { ...pending, lines: [...pending.lines] }
    const { folder } = this.#log
    try {
      await folder.check()
      if (entry.foreign) await unlessAbsent(setAside(path))
      entry.foreign = false
      if (this.#history && snapshot.lines.length > 0) {
        const isNew = await this.#history.add(path, snapshot.lines, entry.unsure)
        entry.history = isNew || entry.history === 'new' ? 'new' : 'longer'
      }
      const stats = await replaceUnflushed(path, formatRecord(snapshot.record))
      this.#memtable.written(entry, snapshot)
      // A newer push is written in the next round.
      if (!entry.pending) this.#files.set(key, path, { record: snapshot.record, sum: snapshot.sum }, stats)
    } catch (error) {
      if (await this.#isGone(dirname(path))) {
        // The account was deleted, or its folder was removed by hand.
        this.#memtable.delete(entry)
        this.#files.delete(key)
      } else Object.assign(entry, { failure: error, unsure: true })
    }
  }

  /** Whether the folder was removed. False if the disk cannot tell, or if the state directory itself is gone. */
  async #isGone(folder: string): Promise<boolean> {
    try {
      return (await this.#log.folder.isInPlace()) && (await unlessAbsent(stat(folder))) === undefined
    } catch {
      return false
    }
  }

  /** Flushes the files of the entries, folder by folder. */
  async flush(entries: Entry[]): Promise<void> {
    const folders = new Map<string, Entry[]>()
    for (const entry of entries) {
      const folder = dirname(entry.path)
      const others = folders.get(folder)
      if (others) others.push(entry)
      else folders.set(folder, [entry])
    }
    const limit = pLimit(flushers)
    await Promise.all([...folders].map((each) => limit(() => this.#flushInOrder(...each))))
  }

  /** Flushes a folder once at a time: of two concurrent flushes of a file only one sees the error. */
  async #flushInOrder(folder: string, entries: Entry[]): Promise<void> {
    const before = this.#flushing.get(folder) ?? Promise.resolve()
    const flushing = before.then(() => this.#flushFolder(folder, entries))
    this.#flushing.set(folder, flushing)
    await flushing
    if (this.#flushing.get(folder) === flushing) this.#flushing.delete(folder)
  }

  /** Flushes the files before the folder, so that a durable directory entry never names a file that is not durable. */
  async #flushFolder(folder: string, all: Entry[]): Promise<void> {
    const entries = all.filter(({ writes, isLost }) => writes > 0 && !isLost)
    if (entries.length === 0) return
    const began = entries.map((entry) => ({ ...entry, sums: [...entry.sums] }))
    for (const entry of entries) {
      try {
        await syncFile(entry.path)
        const { history } = entry
        // Lines that are appended from here on belong to the next flush.
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

  /** Appends all that the log holds of the entries to it again, so that its earlier segments can go. */
  async keepLost(entries: Entry[]): Promise<void> {
    const lost = new Set(entries.map(({ path }) => logKeyOf(path)))
    if (lost.size === 0) return
    const compact = (records: LogRecord[]): string =>
      collectDocuments(records)
        .filter(({ folder, file }) => lost.has(`${folder}/${file}`))
        .map(formatCompacted)
        .join('')
    await this.#log.rewrite(compact, this.#tell)
  }

  /** Restores entries with unknown file contents from the log. Pushes to them are refused meanwhile. */
  async restoreLost(entries: Entry[]): Promise<void> {
    const lost = new Map(entries.filter(({ isLost }) => isLost).map((entry) => [logKeyOf(entry.path), entry]))
    if (lost.size === 0) return
    await this.#log.inspect(async (records) => {
      for (const logged of collectDocuments(records)) {
        const entry = lost.get(`${logged.folder}/${logged.file}`)
        if (entry) await this.#serialize(entry, () => this.#restore(entry, logged))
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
    // Dropped meanwhile: the folder may belong to another account now.
    if (this.#memtable.get(key) !== entry) return
    const recovered = recoverDocument(logged, found, path)
    if (recovered.keepsFile) await this.#history?.addMissing(path, recovered.rows)
    else this.#memtable.restore(key, path, recovered)
  }
}

/** The record's file; undefined if there is none. If it cannot be read, the log alone counts. */
export async function readFound(path: string, onDamage: (error: unknown) => void): Promise<FoundFile | undefined> {
  try {
    return await unlessAbsent(readWithStats(path))
  } catch (error) {
    onDamage(error)
    return undefined
  }
}

/** Marks the contents of the files as unknown: the log is kept, and the files are written again from it. */
export function lose(entry: Entry, error: unknown): void {
  entry.failure = error
  entry.isLost = true
  entry.history = 'new'
}

/** The folder and file name of the path, as in a log record. */
function logKeyOf(path: string): string {
  return `${basename(dirname(path))}/${basename(path)}`
}
