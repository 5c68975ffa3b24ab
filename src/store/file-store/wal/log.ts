import { constants } from 'node:fs'
import { mkdir, rm, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { syncFolder, tempPath, writeNew } from '../../../durable.ts'
import { DamagedFile } from '../../../damaged-file.ts'
import { hasCode, unlessAbsent } from '../../../error-code.ts'
import { openTrusted } from '../../../trusted-file.ts'
import { Mutex } from '../../../mutex.ts'
import { lowerFormat, raiseFormat } from '../files/format.ts'
import type { OpenedFolder } from '../opened-folder.ts'
import { readOldJournal, removeOldJournal } from './old-journal.ts'
import { encodeBatch, segmentHeader, segmentName, type LogRecord } from './record.ts'
import { listSegments, numberOf, readLog } from './recovery.ts'
import { SpareSegment, writeAt, type Segment } from './spare-segment.ts'

/*
 * The write-ahead log, <KSS_DIR>/.wal/. A change is durable when `append` resolves: after kill -9 or a power cut the
 * next start reads it (recovery.ts) and brings it into the files. Changes that come during a flush share the next one
 * (group commit).
 *
 * The log is a sequence of segments, `<number>.log`; record.ts has their format. Life of a segment: it is created empty, or
 * preallocated as 8 MiB of zeros with one fsync, behind the first append. Batches are appended until it is full or a
 * checkpoint rotates the log; inside a preallocated segment one fdatasync makes a batch durable, as no length and no
 * block of the file changes. When all that it holds is flushed to the files, it is renamed to the next number
 * (recycled), or removed. The folder is flushed before a segment is written under its new number, so a recycled segment
 * never has the old number and new batches. A clean stop removes all segments. `.format` is 2 while there may be any.
 */

const { O_CREAT, O_EXCL, O_RDWR } = constants

export interface LogOptions {
  /** Whether segments are preallocated and recycled: for a server. Commands append to a new file. */
  preallocate?: boolean
  /** Bytes of a segment, 8 MiB unless said otherwise. */
  segmentBytes?: number
  /** Milliseconds of a clock that is never set. */
  now?: () => number
  /** Told of a flush of over a second, with the folder of the log, once a minute at most. */
  onSlowFlush?: (path: string, ms: number) => void
}

/** Milliseconds. */
const slowFlush = 1000
const minute = 60_000

/** Milliseconds after which a disk that failed is tried again. */
const probeMs = 2000

/** More than is left on a disk that counts as full, and than a segment's first append takes. */
const probeBytes = 64 * 1024

/** Paths of the log. */
interface LogPaths {
  /** The state directory. */
  state: string
  /** The folder of the segments, which is made when it is needed. */
  log: string
  /** The folder of the journal of kss 0.1. It counts as older than all segments. */
  journal: string
}

/** The write-ahead log of a state directory. @see STORAGE.md §3, The write-ahead log */
export class WriteAheadLog {
  /** The state directory as it was opened. Nothing is written to the log of another one. */
  readonly folder: OpenedFolder
  readonly #paths: LogPaths
  readonly #segmentBytes: number
  readonly #now: () => number
  readonly #onSlowFlush: LogOptions['onSlowFlush']
  #toldSlow = -Infinity
  readonly #mutex = new Mutex()
  #newest: number
  /** The segment that is appended to; undefined when the next append has to begin another. */
  #current: Segment | undefined
  readonly #spare: SpareSegment
  #isRaised = false
  #isClosed = false
  #mayHaveJournal = true
  /** Bytes in each segment that was not dropped. */
  readonly #sizes = new Map<number, number>()
  #bytesSinceRotation = 0
  /** Why the last append failed. */
  #failure: unknown
  #probedAt = -Infinity
  /** How often the log was flushed, and the milliseconds that it took. */
  readonly flushed = { count: 0, ms: 0 }

  /** `newest` is the number of the newest segment in the folder. */
  constructor(paths: LogPaths, newest: number, folder: OpenedFolder, options: LogOptions = {}) {
    this.folder = folder
    this.#paths = paths
    this.#newest = newest
    this.#onSlowFlush = options.onSlowFlush
    const { preallocate = false, segmentBytes = 8 * 2 ** 20, now = () => performance.now() } = options
    this.#segmentBytes = segmentBytes
    this.#now = now
    const nextNumber = (): number => (this.#newest += 1)
    this.#spare = new SpareSegment({ dir: paths.log, folder, preallocate, segmentBytes, now, nextNumber })
  }

  /** The folder of the segments. */
  get dir(): string {
    return this.#paths.log
  }

  /** Bytes that were appended and not dropped. */
  get bytes(): number {
    let sum = 0
    for (const size of this.#sizes.values()) sum += size
    return sum
  }

  /** Bytes that were appended since the last call of `rotate`. */
  get bytesSinceRotation(): number {
    return this.#bytesSinceRotation
  }

  /**
   * Why the last append failed; undefined when none did since. Asking has the disk tried behind the answer, so that this
   * ends without a push.
   */
  failure(): unknown {
    if (this.#failure !== undefined && this.#now() - this.#probedAt >= probeMs) void this.#probe()
    return this.#failure
  }

  /** Passes the records of the log to `work`; appends wait meanwhile. `onDamage` is called as by `readLog`. */
  inspect(work: (records: LogRecord[]) => Promise<void>, onDamage: (error: Error) => void): Promise<void> {
    return this.#mutex.run(async () => work(await this.#read(onDamage)))
  }

  /** Appends the records that `lines` makes of those in the log, durably; other appends wait meanwhile. */
  rewrite(lines: (records: LogRecord[]) => string, onDamage: (error: Error) => void): Promise<void> {
    return this.#mutex.run(async () => this.#append(lines(await this.#read(onDamage))))
  }

  /** Appends the records that `lines` returns, durably, then calls `published`, before any other change of the log. */
  append(lines: () => string, published?: () => void): Promise<void> {
    return this.#mutex.run(async () => {
      await this.#append(lines())
      published?.()
      this.#spare.prepareSoon()
    })
  }

  /** Creates the first segment, so that the first append does not have to. */
  begin(): Promise<void> {
    return this.#mutex.run(async () => {
      if (!this.#current) await this.#begin()
    })
  }

  /**
   * Ends the segment that is appended to. Resolves to the number of the next one, and to what `snapshot` returned at that
   * moment: all that was appended before is in segments with a lower number. When it is flushed to the files,
   * `dropBefore` makes these segments free.
   */
  rotate<T>(snapshot: () => T): Promise<{ before: number; snapshot: T }> {
    return this.#mutex.run(async () => {
      this.#bytesSinceRotation = 0
      const last = this.#current
      if (last?.size === 0) return { before: last.number, snapshot: snapshot() }
      const { number } = await this.#begin()
      this.#spare.willRecycle = last !== undefined && last.allocated > 0
      return { before: number, snapshot: snapshot() }
    })
  }

  /**
   * Recycles or removes the segments with a lower number, oldest first: after a crash the numbers of the segments have no
   * gap.
   */
  async dropBefore(number: number): Promise<void> {
    await this.folder.check()
    if (this.#mayHaveJournal) await removeOldJournal(this.#paths.journal)
    this.#mayHaveJournal = false
    for (const name of await listSegments(this.#paths.log)) {
      if (numberOf(name) >= number) continue
      await this.#spare.recycle(this.#pathOf(name))
    }
    for (const each of this.#sizes.keys()) if (each < number) this.#sizes.delete(each)
    this.#spare.willRecycle = false
  }

  /** Closes the log, and removes the segments if the files hold everything. */
  async close(isEmpty: () => boolean): Promise<void> {
    await this.#spare.stop()
    await this.#mutex.run(async () => {
      // A later append would be removed with the segments.
      this.#isClosed = true
      await this.#end()
    })
    await this.#spare.drop()
    // Segments in a folder that was moved away do no harm: the files hold their pushes.
    if (!isEmpty() || !(await this.folder.isInPlace())) return
    await this.dropBefore(Infinity)
    // Otherwise a power cut could restore a segment, and with it old pushes, after an older kss used the folder.
    await unlessAbsent(syncFolder(this.#paths.log))
    await lowerFormat(this.#paths.state)
  }

  /** Whether the disk takes a file again, as large as the first append. */
  async #probe(): Promise<void> {
    this.#probedAt = this.#now()
    const path = tempPath(this.#paths.state)
    try {
      await this.folder.check()
      await writeNew(path, '\0'.repeat(probeBytes), (file) => file.sync())
      this.#failure = undefined
    } catch (error) {
      this.#failure = error
    }
    await rm(path, { force: true }).catch(() => undefined)
  }

  async #read(onDamage: (error: Error) => void): Promise<LogRecord[]> {
    const earlier = this.#mayHaveJournal ? await readOldJournal(this.#paths.journal, onDamage) : []
    const { records } = await readLog(this.#paths.log, onDamage)
    return earlier.concat(records)
  }

  async #append(lines: string): Promise<void> {
    try {
      await this.#write(lines)
      this.#failure = undefined
    } catch (error) {
      this.#failure = error
      throw error
    }
  }

  async #write(lines: string): Promise<void> {
    const room = this.#segmentBytes - Buffer.byteLength(lines)
    const open = this.#current
    // Outside a preallocated segment an append costs two device flushes.
    const isOver = open && open.size > 0 && (open.size > room || (open.allocated === 0 && this.#spare.isReady))
    const current = open && !isOver ? open : await this.#begin()
    const header = current.size === 0 ? segmentHeader(current.number) : ''
    const bytes = Buffer.from(header + encodeBatch(current.number, lines))
    const end = current.size + bytes.length
    try {
      await writeAt(current.file, bytes, current.size)
      const began = this.#now()
      if (end <= current.allocated) await current.file.datasync()
      else await current.file.sync()
      this.#noteFlush(began)
      // The folder was removed: what is written to an open file of it is lost.
      if ((await current.file.stat()).nlink === 0) throw new DamagedFile(this.#paths.log, 'was removed')
      // The folder was moved away: the next start does not find the file.
      await this.folder.check()
      current.size = end
      this.#sizes.set(current.number, end)
      this.#bytesSinceRotation += bytes.length
    } catch (error) {
      await this.#giveUp(current)
      throw error
    }
  }

  /** Reports slow flushes: the disk or the network may be about to fail. */
  #noteFlush(began: number): void {
    const now = this.#now()
    this.flushed.count += 1
    this.flushed.ms += now - began
    if (now - began < slowFlush || now - this.#toldSlow < minute) return
    this.#toldSlow = now
    this.#onSlowFlush?.(this.#paths.log, now - began)
  }

  /** Closes the segment after a failed append: a failed flush must not be repeated on the same descriptor. */
  async #giveUp(current: Segment): Promise<void> {
    await current.file.truncate(current.size).catch(() => undefined)
    await this.#end()
    // Otherwise each push to a full disk would leave an empty file.
    if (current.size === 0) await this.#remove(current.path).catch(() => undefined)
    await this.#spare.dropForLong()
  }

  async #begin(): Promise<Segment> {
    if (this.#isClosed) throw new Error('the log is closed')
    await this.folder.check()
    if (!this.#isRaised) await raiseFormat(this.#paths.state)
    this.#isRaised = true
    await this.#spare.settled()
    // No number is assigned between these two lines, so that segments are used in the order of their numbers.
    const next = this.#spare.take() ?? (await this.#create())
    await this.#end()
    this.#current = next
    return next
  }

  async #create(): Promise<Segment> {
    const number = (this.#newest += 1)
    const path = this.#pathOf(segmentName(number))
    const file = await this.#openNew(path)
    try {
      await syncFolder(this.#paths.log)
    } catch (error) {
      await file.close()
      await this.#remove(path).catch(() => undefined)
      throw error
    }
    return { number, file, path, size: 0, allocated: 0 }
  }

  async #openNew(path: string): Promise<FileHandle> {
    const flags = O_CREAT | O_EXCL | O_RDWR
    try {
      return await openTrusted(path, flags, 0o600)
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error
      await mkdir(this.#paths.log, { mode: 0o700 })
      await syncFolder(dirname(this.#paths.log))
      return await openTrusted(path, flags, 0o600)
    }
  }

  #pathOf(name: string): string {
    return join(this.#paths.log, name)
  }

  async #remove(path: string): Promise<void> {
    await this.folder.check()
    await rm(path, { force: true })
  }

  async #end(): Promise<void> {
    const { file } = this.#current ?? {}
    this.#current = undefined
    await file?.close()
  }
}
