import { dirname } from 'node:path'
import type { Progress } from '../../../kosync/protocol.ts'
import { formatRecord, sumOf } from '../files/read-record.ts'
import { formatKept } from './record.ts'
import type { Recovered } from './recovery.ts'

/** A push that is durable in the log. */
export interface LoggedPush {
  /** What the cache of records knows the document by. */
  key: string
  /** Of the record's file. */
  path: string
  /** The resulting record. */
  record: Progress
  /** SHA-256 in hex of the bytes that the file gets. */
  sum: string
  /** SHA-256 in hex of the bytes that the file had; null when there was none. */
  before: string | null
  /** The line that the history gets, if it gets one. */
  line: string | undefined
  /** The file is another document's, and is to be set aside. */
  foreign: boolean
}

/** What the files of a document lack. */
export interface Pending {
  record: Progress
  /** SHA-256 in hex of the bytes that the file gets. */
  sum: string
  /** For the history, without line ends, oldest first. */
  lines: string[]
  /** Bytes that it takes in memory, about. */
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
  /** Some of the lines may be in the history already. */
  unsure: boolean
  /** How often the files were written. */
  writes: number
  /** What was done to the history and is not flushed: it is a new file, or an old one that has more lines. */
  history?: 'new' | 'longer' | undefined
  /** Why the files cannot be written, or flushed. */
  failure?: unknown
  /** A flush failed: what the files hold is taken from the log again. */
  isLost?: true
  /** While the files are written. */
  writing?: Promise<void>
}

/** Bytes that an entry takes beside its lines, about. */
const overhead = 500

/**
 * What the log holds and the files do not hold durably, by document: the only place that knows what is newer than the
 * files.
 */
export class Memtable {
  readonly #entries = new Map<string, Entry>()
  readonly #folders = new Map<string, Set<Entry>>()
  readonly #pending = new Set<Entry>()
  #bytes = 0

  /** Bytes of the pushes that are not in the files, about. */
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

  /** The entries whose files lack something. */
  pendingEntries(): Entry[] {
    return [...this.#pending]
  }

  /** Adds a push. */
  add({ key, path, record, sum, before, line, foreign }: LoggedPush): void {
    const entry =
      this.#entries.get(key) ?? this.#create({ key, path, sums: [before], foreign, unsure: false, writes: 0 })
    // The file was edited after it was last written.
    if (!entry.pending && entry.sums.at(-1) !== before) entry.sums.push(before)
    const { lines, bytes }: Pick<Pending, 'lines' | 'bytes'> = entry.pending ?? { lines: [], bytes: overhead }
    if (line !== undefined) lines.push(line)
    this.#setPending(entry, { record, sum, lines, bytes: bytes + (line?.length ?? 0) })
  }

  /** Sets what the files of a document lack by all that the log holds of it; parts of it may be there. */
  restore(key: string, path: string, { record, rows, sums, foreign }: Recovered): void {
    const entry = this.#entries.get(key) ?? this.#create({ key, path, sums, foreign, unsure: true, writes: 0 })
    entry.unsure = true
    const lines = rows.map((row) => JSON.stringify(row))
    this.#setPending(entry, { record, sum: sumOf(formatRecord(record)), lines, bytes: bytesOf(lines) })
  }

  /** Notes that the file stays as it is, and is to be flushed with its history. */
  keep(key: string, path: string, { sums }: Recovered): Entry {
    return this.#create({ key, path, sums, foreign: false, unsure: false, writes: 1, history: 'new' })
  }

  /** Notes that the files hold this, which was pending when they began to be written. */
  written(entry: Entry, { sum, lines }: Pending): void {
    const { pending } = entry
    /* c8 ignore next -- forgotten between the rename of its file and this */
    if (!pending) return
    entry.writes += 1
    entry.unsure = false
    delete entry.failure
    entry.sums.push(sum)
    const rest = pending.lines.slice(lines.length)
    const isNewer = pending.sum !== sum || rest.length > 0
    this.#setPending(entry, isNewer ? { ...pending, lines: rest, bytes: bytesOf(rest) } : undefined)
  }

  /** Notes that the files hold durably what they held when their flush began, and `began` was a copy of the entry. */
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

/** The log's record of all that is pending, in place of those that stand there. */
export function formatPending({ path, sums, pending }: Entry): string {
  return pending ? formatKept(path, pending.lines, JSON.stringify(pending.record), [...sums, pending.sum]) : ''
}
