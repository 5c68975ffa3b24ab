import type { Stats } from 'node:fs'
import { join } from 'node:path'
import { LRUCache } from 'lru-cache'
import { identityOf } from '../../durable.ts'
import type { Progress } from '../../kosync/protocol.ts'
import type { FileReads } from './files/file-reads.ts'
import { historyPath, parseRow } from './files/history-file.ts'
import { parseProgress } from './files/progress-file.ts'
import type { ProgressFiles } from './progress-files.ts'

/** A record, and the problem if it is not as it was pushed. */
export interface ReadRecord {
  path: string
  /** Undefined when the file holds nothing that can be used, or was removed meanwhile. */
  record: Progress | undefined
  problem?: Error
}

/** A record as its file held it. */
interface Known {
  record: Progress
  identity: string
  look: Look
}

/** When files were checked, and the state of their folder before that. */
interface Look {
  /** Milliseconds of a clock that is never set. */
  at: number
  /** Of the folder; NaN, which equals nothing, when it changed so recently that another change may have the same time. */
  mtimeMs: number
}

/** Files that are looked at or read at a time: a flush of the log waits behind them. */
const readers = 16

/** Milliseconds for which a file is not looked at again, if nothing was put into its folder: an edit shows within a second. */
const trustedMs = 900

/** Milliseconds since the last change of a folder, before which the next one may have the same time. */
const settledMs = 2000

/** Bytes of the files whose records are kept. */
const mostKept = 16 * 2 ** 20

/** Bytes that each of them takes beside its file's size. */
const overhead = 500

/**
 * Reads records for lists: the files, and what is newer in the memtable. It looks at each file at each call; where it
 * keeps records, it reads a file only when it is another one than at the last call, and looks at it once a second while
 * nothing is put into its folder. It leaves the wire's caches alone.
 */
export class RecordReader {
  readonly #progress: Pick<ProgressFiles, 'pendingRecords'>
  readonly #reads: FileReads
  /** Undefined in a command, which reads each record once. */
  readonly #known: LRUCache<string, Known> | undefined
  readonly #now: () => number

  /** `keeps`: whether a record is kept for the next call. A command, which reads each once, would only hold memory. */
  constructor(
    progress: Pick<ProgressFiles, 'pendingRecords'>,
    { reads, keeps, now }: { reads: FileReads; keeps: boolean; now: () => number },
  ) {
    this.#progress = progress
    this.#reads = reads
    this.#now = now
    this.#known = keeps ? new LRUCache({ maxSize: mostKept }) : undefined
  }

  /** The records in the files of these names, in their order. */
  async *readEach(folder: string, names: string[]): AsyncGenerator<ReadRecord> {
    const pending = new Map(this.#progress.pendingRecords(folder).map(({ path, record }) => [path, record]))
    const look = await this.#look(folder)
    for (let at = 0; at < names.length; at += readers) {
      const some = names.slice(at, at + readers).map(async (name) => {
        const path = join(folder, name)
        const record = pending.get(path)
        return record ? { path, record } : await this.#read(path, look)
      })
      yield* await Promise.all(some)
    }
  }

  /** The rows of the record's history, oldest first. Lines that do not parse, as after a crash, are left out. */
  async readRows(recordPath: string): Promise<{ rows: Progress[]; length: number }> {
    const path = historyPath(recordPath)
    const text = (await this.#reads.text(path)) ?? ''
    return { rows: text.split('\n').flatMap((line) => parseRow(line, path) ?? []), length: text.length }
  }

  async #look(folder: string): Promise<Look> {
    const at = this.#now()
    const { mtimeMs = NaN } = (this.#known && (await this.#reads.stat(folder))) ?? {}
    return { at, mtimeMs: Date.now() - mtimeMs > settledMs ? mtimeMs : NaN }
  }

  async #read(path: string, look: Look): Promise<ReadRecord> {
    const known = this.#known?.get(path)
    if (known && known.look.mtimeMs === look.mtimeMs && look.at - known.look.at < trustedMs)
      return { path, record: known.record }
    try {
      // Before the text: a file that is replaced between the two is read again at the next call.
      const stats = await this.#reads.stat(path)
      if (known && stats && known.identity === identityOf(stats)) {
        known.look = look
        return { path, record: known.record }
      }
      return { path, record: await this.#readFile(path, stats, look) }
    } catch (error) {
      const { rows } = await this.readRows(path).catch(() => ({ rows: [] }))
      return { path, record: rows.at(-1), problem: error as Error }
    }
  }

  async #readFile(path: string, stats: Stats | undefined, look: Look): Promise<Progress | undefined> {
    const text = await this.#reads.text(path)
    if (text === undefined || !stats) return undefined
    const record = parseProgress(text, path, Math.floor(stats.mtimeMs / 1000))
    const size = overhead + path.length + text.length
    this.#known?.set(path, { record, identity: identityOf(stats), look }, { size })
    return record
  }
}
