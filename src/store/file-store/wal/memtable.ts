import { dirname } from 'node:path'
import type { Progress } from '../../../kosync/protocol.ts'
import { formatRecord, sumOf } from '../files/read-record.ts'
import { formatKept } from './record.ts'
import type { Recovered } from './recovery.ts'

/** A push that is durable in the log. */
export interface LoggedPush {
  /** The key of the document in the memtable and the cache. */
  key: string
  /** Of the record's file. */
  path: string
  /** The resulting record. */
  record: Progress
  /** SHA-256 in hex of the bytes that the file gets. */
  sum: string
  /** SHA-256 in hex of the bytes that the file had; null when there was none. */
  before: string | null
  /** The line for the history; undefined if the push adds none. */
  line: string | undefined
  /** The file is another document's, and is to be set aside. */
  foreign: boolean
}

/** What is not written to the files of a document yet. */
export interface Pending {
  record: Progress
  /** SHA-256 in hex of the bytes that the file gets. */
  sum: string
  /** For the history, without line ends, oldest first. */
  lines: string[]
  /** Approximate size in memory. */
  bytes: number
}

/** A document with pushes that are not durable in its files. */
export interface Entry {
  readonly key: string
  readonly path: string
  /** Undefined when the files hold all pushes, though not durably. */
  pending?: Pending | undefined
  /** SHA-256 in hex of each content that the file may have after a power cut, oldest first; null for no file. */
  sums: (string | null)[]
  /** The file is another document's, and is to be set aside. */
  foreign: boolean
  /** Some of the lines may already be in the history, after a crash or a failed write. */
  unsure: boolean
  /** How often the files were written. */
  writes: number
  /** The unflushed change of the history: a new file, or lines appended to an old one. */
  history?: 'new' | 'longer' | undefined
  /** Why the files cannot be written, or flushed. */
  failure?: unknown
  /** A flush failed, so the content of the files is unknown: it is restored from the log. */
  isLost?: true
  /** While the files are written. */
  writing?: Promise<void>
}

/** Approximate size of an entry without its lines. */
const overhead = 500

/**
 * The pushes that the log holds and the files do not hold durably, by document. No other part knows what is newer than
 * the files.
 */
export class Memtable {
  readonly #entries = new Map<string, Entry>()
  readonly #folders = new Map<string, Set<Entry>>()
  readonly #pending = new Set<Entry>()
  #bytes = 0

  /** Approximate size of the pushes that are not in the files. */
  get bytes(): number {
    return this.#bytes
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key)
  }

  entries(): Entry[] {
    return [...this.#entries.values()]
  }

  /** The entries of documents in the folder. */
  entriesOf(folder: string): Entry[] {
    return [...(this.#folders.get(folder) ?? [])]
  }

  /** The entries that are not completely written to their files. */
  pendingEntries(): Entry[] {
    return [...this.#pending]
  }

  /** Adds a push. */
  add({ key, path, record, sum, before, line, foreign }: LoggedPush): void {
    const entry =
      this.#entries.get(key) ?? this.#create({ key, path, sums: [before], foreign, unsure: false, writes: 0 })
    // The file was edited since the last write.
    if (!entry.pending && entry.sums.at(-1) !== before) entry.sums.push(before)
    const { lines, bytes }: Pick<Pending, 'lines' | 'bytes'> = entry.pending ?? { lines: [], bytes: overhead }
    if (line !== undefined) lines.push(line)
    this.#setPending(entry, { record, sum, lines, bytes: bytes + (line?.length ?? 0) })
  }

  /** Replaces the entry by all that the log holds of the document. Parts of it may be in the files already. */
  restore(key: string, path: string, { record, rows, sums, foreign }: Recovered): void {
    const entry = this.#entries.get(key) ?? this.#create({ key, path, sums, foreign, unsure: true, writes: 0 })
    entry.unsure = true
    const lines = rows.map((row) => JSON.stringify(row))
    this.#setPending(entry, { record, sum: sumOf(formatRecord(record)), lines, bytes: bytesOf(lines) })
  }

  /** Adds an entry for a file that is kept as it is, and is to be flushed with its history. */
  keep(key: string, path: string, { sums }: Recovered): Entry {
    return this.#create({ key, path, sums, foreign: false, unsure: false, writes: 1, history: 'new' })
  }

  /** Removes from the entry what was just written to the files. */
  written(entry: Entry, { sum, lines }: Pending): void {
    const { pending } = entry
    /* c8 ignore next -- forgotten between the rename of its file and this */
    if (!pending) return
    entry.writes += 1
    entry.unsure = false
    // What else a lost file should hold is not known to be on the disk.
    if (!entry.isLost) delete entry.failure
    entry.sums.push(sum)
    const rest = pending.lines.slice(lines.length)
    const isNewer = pending.sum !== sum || rest.length > 0
    this.#setPending(entry, isNewer ? { ...pending, lines: rest, bytes: bytesOf(rest) } : undefined)
  }

  /** Removes the entry if nothing was added since its flush began. `began` is a copy of the entry from that moment. */
  flushed(entry: Entry, began: Entry): void {
    if (!entry.unsure) entry.sums.splice(0, began.sums.length - 1)
    if (!entry.pending && entry.writes === began.writes) this.delete(entry)
  }

  delete(entry: Entry): void {
    const folder = dirname(entry.path)
    const others = this.#folders.get(folder)
    if (!others?.delete(entry)) return
    if (others.size === 0) this.#folders.delete(folder)
    this.#entries.delete(entry.key)
    this.#setPending(entry, undefined)
  }

  #create(entry: Entry): Entry {
    this.#entries.set(entry.key, entry)
    const folder = dirname(entry.path)
    const others = this.#folders.get(folder)
    if (others) others.add(entry)
    else this.#folders.set(folder, new Set([entry]))
    return entry
  }

  #setPending(entry: Entry, pending: Pending | undefined): void {
    this.#bytes += (pending?.bytes ?? 0) - (entry.pending?.bytes ?? 0)
    entry.pending = pending
    if (pending) this.#pending.add(entry)
    else this.#pending.delete(entry)
  }
}

function bytesOf(lines: string[]): number {
  return lines.reduce((sum, line) => sum + line.length, overhead)
}

/** Formats a log record of all that is pending, which replaces the earlier records of the document. */
export function formatPending({ path, sums, pending }: Entry): string {
  return pending ? formatKept(path, pending.lines, JSON.stringify(pending.record), [...sums, pending.sum]) : ''
}
