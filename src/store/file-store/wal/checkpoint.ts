import pLimit from 'p-limit'
import { FolderReplaced } from '../opened-folder.ts'
import { Alarm, Backoff, cannotWrite, oncePerMinute } from '../retry.ts'
import { DocumentFiles, type DocumentParts } from './document-files.ts'
import type { WriteAheadLog } from './log.ts'
import { formatPending, type Memtable, type Entry, type LoggedPush } from './memtable.ts'

/*
 * Brings what is in the log into the files, each document once for many pushes.
 *
 * Half a second after a push its files are written: history appended, record replaced, without a flush. So readers of
 * the files see it within a second. A checkpoint makes the files durable and frees the log: it rotates the log, writes
 * what is pending, flushes each file and then each folder, and drops the segments before the rotation. It runs when the
 * log has grown by 8 MiB, ten minutes after the oldest push, before a backup and at a stop. Until then a power cut may
 * leave a file old, torn or empty; recovery.ts makes it anew.
 *
 * A file that cannot be written or flushed is tried again, later each time; a checkpoint appends its pushes to the log
 * once more, so that the segments before can go. After a failed flush nobody knows what is on the disk: what the files
 * should hold is read from the log and written anew.
 */

/** Milliseconds from a push to the write of its files, so that further pushes share the write. */
const delayMs = 500

/** Milliseconds to the first retry of a failed flush. */
const retryMs = 1000

/** Milliseconds after which a checkpoint makes a push durable in its files. */
const oldestMs = 10 * 60_000

/** Concurrent writes of documents: the other threads of the pool are for flushes, the log, reads and scrypt. */
const writers = 2

const mib = 2 ** 20

interface Bounds {
  /** Bytes of log after which the files are flushed; 8 MiB if left out. */
  checkpointBytes?: number
  /** Bytes of log over which a push waits for the files; 256 MiB if left out. */
  logMaxBytes?: number
  /** Bytes of pushes that are in no file, over which a push waits; 64 MiB if left out. */
  memtableMaxBytes?: number
}

export interface CheckpointOptions extends Bounds {
  /** Told of what could not be written, once a minute at most. */
  onDamage: (error: unknown) => void
  /** Milliseconds of a clock that is never set. */
  now?: () => number
}

/** An entry at the moment at which its files could not be written or flushed. */
type Failed = Pick<Entry, 'path' | 'failure' | 'isLost'>

/** @see STORAGE.md §3, The write-ahead log */
export class Checkpoint {
  readonly #log: WriteAheadLog
  readonly #memtable: Memtable
  readonly #documents: DocumentFiles
  readonly #tell: (error: unknown) => void
  readonly #backoff: Backoff
  readonly #roundBackoff: Backoff
  readonly #roundAlarm: Alarm
  readonly #alarm: Alarm
  readonly #bounds: Required<Bounds>
  #round: Promise<void> | undefined
  #running: Promise<boolean> | undefined
  #isBegun = false
  readonly #now: () => number
  /** When the oldest push came that is not durable in its file. */
  #oldest: number | undefined
  /** Why the last round failed. */
  #roundFailure: unknown
  /** Why the last checkpoint failed. */
  #checkpointFailure: unknown
  /** Bytes that it left in the log. */
  #bytesLeft = 0

  constructor(parts: DocumentParts, options: CheckpointOptions) {
    const { onDamage, now = () => performance.now() } = options
    this.#now = now
    this.#log = parts.log
    this.#memtable = parts.memtable
    this.#backoff = new Backoff(now)
    this.#roundBackoff = new Backoff(now)
    this.#roundAlarm = new Alarm(() => void this.#startRound(false), now)
    this.#alarm = new Alarm(() => void this.run(), now)
    this.#tell = oncePerMinute(onDamage, now)
    this.#documents = new DocumentFiles(parts, this.#tell)
    this.#bounds = { checkpointBytes: 8 * mib, logMaxBytes: 256 * mib, memtableMaxBytes: 64 * mib, ...options }
  }

  /** Adds a push that is durable in the log. */
  add(push: LoggedPush): void {
    this.#oldest ??= this.#now()
    this.#memtable.add(push)
    this.#schedule()
  }

  /** Starts writing files and dropping segments. The memtable must hold all that is in the log. */
  begin(): void {
    this.#isBegun = true
    if (!this.#memtable.isEmpty) void this.run()
  }

  /** Waits while the log or the memtable is full; rejects when the files cannot be written. Returns a promise only then. */
  makeRoom(): Promise<void> | undefined {
    const { memtableMaxBytes, logMaxBytes } = this.#bounds
    const isFull = this.#memtable.bytes >= memtableMaxBytes || this.#log.bytes >= logMaxBytes
    return isFull ? this.#makeRoom() : undefined
  }

  async #makeRoom(): Promise<void> {
    while (this.#memtable.bytes >= this.#bounds.memtableMaxBytes) {
      await this.#startRound(false)
      if (this.#roundFailure !== undefined) throw this.#roundFailure
    }
    while (this.#log.bytes >= this.#bounds.logMaxBytes) {
      // Not with each push: a checkpoint appends what cannot be written to the log again.
      const isTried = this.#checkpointFailure === undefined || this.#backoff.delay <= 0 || this.#isDue
      const isDone = isTried && (await this.run())
      if (!isDone && this.#log.bytes >= this.#bounds.logMaxBytes) throw this.#checkpointFailure
    }
  }

  /** Milliseconds since the oldest push that is not durable in its file; 0 when all are. */
  get lag(): number {
    return this.#oldest === undefined ? 0 : this.#now() - this.#oldest
  }

  /** Why makeRoom would reject; undefined when it would not, as far as is known. */
  get failure(): unknown {
    if (this.#memtable.bytes >= this.#bounds.memtableMaxBytes) return this.#roundFailure
    return this.#log.bytes >= this.#bounds.logMaxBytes ? this.#checkpointFailure : undefined
  }

  /** Drops the folder's entries. Resolves when no write to the folder is in progress. */
  async forget(folder: string): Promise<void> {
    const entries = this.#memtable.entriesOf(folder)
    for (const entry of entries) this.#memtable.delete(entry)
    for (const { writing } of entries) await writing
  }

  /** Writes all pending pushes to the files, without a flush. */
  async write(): Promise<void> {
    await this.#round
    if (this.#memtable.pendingEntries().length > 0) await this.#startRound(true)
  }

  /** Writes and flushes all pushes so far of the folder. Rejects if a file cannot be written or flushed. */
  async flushFolder(folder: string): Promise<void> {
    const entries = this.#memtable.entriesOf(folder)
    await this.#documents.restoreLost(entries)
    for (const entry of entries) await this.#documents.write(entry)
    await this.#documents.flush(entries)
    const failed = entries.find(({ failure }) => failure !== undefined)
    if (failed?.isLost) this.#alarm.set(retryMs)
    if (failed) throw failed.failure
  }

  /** Runs a checkpoint. False if some pushes so far are not durable in the files: the error is reported, and a retry follows. */
  async run(): Promise<boolean> {
    await this.#running
    this.#running ??= this.#run().finally(() => (this.#running = undefined))
    return await this.#running
  }

  /** Stops retries and timers. */
  stop(): void {
    this.#isBegun = false
    this.#roundAlarm.clear()
    this.#alarm.clear()
  }

  #schedule(): void {
    if (!this.#isBegun) return
    if (!this.#round) this.#roundAlarm.set(delayMs)
    this.#alarm.set(oldestMs)
    if (!this.#running && this.#isDue) void this.run()
  }

  /** Whether the log has grown enough for a checkpoint. One that failed is repeated before its time only for what came since. */
  get #isDue(): boolean {
    const grown = this.#backoff.delay <= 0 ? this.#log.bytesSinceRotation : this.#log.bytes - this.#bytesLeft
    return grown >= this.#bounds.checkpointBytes
  }

  /** Writes pending pushes. With `all`, also those that failed before and are not due for a retry. */
  #startRound(all: boolean): Promise<void> {
    this.#roundAlarm.clear()
    this.#round ??= this.#writePending(all || this.#roundBackoff.delay <= 0)
    return this.#round
  }

  async #writePending(retries: boolean): Promise<void> {
    const due = this.#memtable.pendingEntries().filter(({ failure }) => retries || failure === undefined)
    const limit = pLimit(writers)
    await Promise.all(due.map((entry) => limit(() => this.#documents.write(entry))))
    this.#round = undefined
    const pending = this.#memtable.pendingEntries()
    const failed = pending.find(({ failure }) => failure !== undefined)
    this.#roundFailure = failed?.failure
    this.#note(failed, retries, this.#roundBackoff)
    if (pending.some(({ failure }) => failure === undefined)) this.#schedule()
    if (failed && this.#isBegun) this.#roundAlarm.set(this.#roundBackoff.delay)
  }

  async #run(): Promise<boolean> {
    this.#alarm.clear()
    let failed: Failed | undefined
    const began = this.#now()
    try {
      failed = await this.#flushAll()
    } catch (error) {
      failed = { path: this.#log.dir, failure: error, isLost: true }
    }
    this.#checkpointFailure = failed?.failure
    this.#bytesLeft = this.#log.bytes
    if (!failed) this.#oldest = this.#memtable.isEmpty ? undefined : began
    this.#note(failed, true, this.#backoff)
    if (this.#isBegun && !this.#memtable.isEmpty) this.#alarm.set(failed?.isLost ? this.#backoff.delay : oldestMs)
    return failed === undefined
  }

  /** Resolves to an entry whose files cannot be written or flushed, if there is one. */
  async #flushAll(): Promise<Failed | undefined> {
    if (this.#memtable.isEmpty && this.#log.bytes === 0) return undefined
    // Before the rotation: otherwise each retry would begin a segment.
    const lost = await this.#mendLost()
    if (lost && this.#isAllLost) return lost
    const { before, snapshot: entries } = await this.#log.rotate(() => this.#memtable.entries())
    await this.#round
    await this.#startRound(true)
    const failed = entries.filter(({ failure }) => failure !== undefined).map((entry) => ({ entry, ...entry }))
    await this.#documents.flush(entries)
    await this.#documents.keepLost(entries.filter(({ isLost }) => isLost))
    const unsettled = await this.#keepAnew(failed.filter(({ entry }) => !entry.isLost))
    if (unsettled) return unsettled
    await this.#log.dropBefore(before)
    const first = entries.find(({ isLost }) => isLost) ?? failed.find(({ entry }) => entry.failure !== undefined)?.entry
    return copyOf(first)
  }

  /** Whether there is nothing to flush but files whose flush failed again. When the log is full, its segments go all the same. */
  get #isAllLost(): boolean {
    return this.#log.bytes < this.#bounds.logMaxBytes && this.#memtable.entries().every(({ isLost }) => isLost)
  }

  /** Writes the files again whose flush failed. Resolves to an entry whose flush fails again. */
  async #mendLost(): Promise<Failed | undefined> {
    const lost = this.#memtable.entries().filter(({ isLost }) => isLost)
    await this.#documents.restoreLost(lost)
    for (const entry of lost) await this.#documents.write(entry)
    await this.#documents.flush(lost)
    return copyOf(lost.find(({ isLost }) => isLost))
  }

  /**
   * Appends entries that cannot be written to the log again, so that one such file does not keep all segments. `failed`
   * holds copies of the entries from before the flush. Resolves to an entry that was written since, and whose flush
   * fails: its pushes are durable only in the old segments.
   */
  async #keepAnew(failed: { entry: Entry; writes: number }[]): Promise<Failed | undefined> {
    if (failed.length === 0) return undefined
    const written: Entry[] = []
    await this.#log.append(() => {
      written.push(...failed.filter(({ entry, writes }) => entry.writes !== writes).map(({ entry }) => entry))
      return failed.map(({ entry }) => (written.includes(entry) ? '' : formatPending(entry))).join('')
    })
    await this.#documents.flush(written)
    return copyOf(written.find(({ failure }) => failure !== undefined))
  }

  /** Updates the backoff after a round or a checkpoint, and reports its failure. */
  #note(failed: Failed | undefined, isRetry: boolean, backoff: Backoff): void {
    if (!failed) backoff.reset()
    else if (isRetry) backoff.failed()
    // OpenedFolder has reported this error.
    if (failed && !(failed.failure instanceof FolderReplaced)) this.#tell(cannotWrite(failed.path, failed.failure))
  }
}

/** Another write of the files may end the failure meanwhile. */
function copyOf(entry: Entry | undefined): Failed | undefined {
  return entry && { ...entry }
}
