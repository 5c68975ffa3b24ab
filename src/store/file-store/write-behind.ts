import { dirname, sep } from 'node:path'
import type { Progress } from '../../kosync/protocol.ts'
import { replaceFile, setAside } from '../../durable.ts'
import { unlessAbsent } from '../../error-code.ts'
import type { FileCache } from './file-cache.ts'
import type { HistoryFiles } from './files/history-file.ts'
import type { WriteAheadLog } from './wal/log.ts'
import { FolderReplaced } from './opened-folder.ts'
import { Alarm, Backoff, cannotWrite, oncePerMinute } from './retry.ts'
import { isGone, keepAnew, take, type Taken, type Waiting } from './waiting.ts'

/** Milliseconds that a record waits for further pushes; with the writing itself it is in its file within a second. */
const delayMs = 500

/** Documents that may wait, so that neither the memory nor the time of a stop or start grows without end. */
const mostWaiting = 2000

/** Records that are written at a time: the other threads of the pool are for the log, reads and scrypt. */
const writers = 2

export interface WriteBehindOptions {
  /** Told of what could not be written, once a minute at most. */
  onDamage: (error: unknown) => void
  /** Milliseconds of a clock that is never set. */
  now?: () => number
}

/** Brings what is in the log into the files, each document once for many pushes. @see STORAGE.md §3, The write-ahead log */
export class WriteBehind {
  readonly #log: WriteAheadLog
  readonly #files: FileCache<Progress>
  /** Undefined when none is kept. */
  readonly #history: HistoryFiles | undefined
  readonly #tell: (error: unknown) => void
  readonly #backoff: Backoff
  readonly #alarm: Alarm
  readonly #waiting = new Map<string, Waiting>()
  #round: Promise<void> | undefined
  #begun = false
  /** Why the last round failed. */
  #failure: unknown

  constructor(
    log: WriteAheadLog,
    files: FileCache<Progress>,
    history: HistoryFiles | undefined,
    { onDamage, now = () => performance.now() }: WriteBehindOptions,
  ) {
    this.#log = log
    this.#files = files
    this.#history = history
    this.#backoff = new Backoff(now)
    this.#alarm = new Alarm(() => void this.#start(false), now)
    this.#tell = oncePerMinute(onDamage, now)
  }

  get(key: string): Waiting | undefined {
    return this.#waiting.get(key)
  }

  /** Takes over what is in the log from now on. */
  add(added: Omit<Waiting, 'failure' | 'writing'>): void {
    const { key, path, record } = added
    const waiting = this.#waiting.get(key)
    if (waiting) {
      waiting.record = record
      waiting.lines.push(...added.lines)
    } else this.#waiting.set(key, added)
    this.#files.hold(key, path, record)
    this.#schedule(delayMs)
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0
  }

  /** From here on files are written, and then segments dropped: all that is in them must have been added. */
  begin(): void {
    this.#begun = true
    if (!this.isEmpty) this.#schedule(0)
  }

  /** Waits while too many documents wait for a slow disk; rejects when it fails. */
  async makeRoom(key: string): Promise<void> {
    while (this.#waiting.size >= mostWaiting && !this.#waiting.has(key)) {
      await this.#start(false)
      if (this.#failure !== undefined) throw this.#failure
    }
  }

  /** Drops what waits for a folder that is gone, and resolves when nothing is being written there. */
  async forget(folder: string): Promise<void> {
    const gone = [...this.#waiting.values()].filter(({ path }) => path.startsWith(folder + sep))
    for (const { key } of gone) this.#waiting.delete(key)
    for (const { writing } of gone) await writing
  }

  /** Throws why something that was pushed into the folder is not in its files. */
  checkWritten(folder: string): void {
    for (const { path, failure } of this.#waiting.values()) {
      if (path.startsWith(folder + sep)) throw failure
    }
  }

  /** Writes all that waits now. Whether it could, whatever is pushed meanwhile: what fails is told, and tried again. */
  async flush(): Promise<boolean> {
    await this.#round
    if (!this.isEmpty) await this.#start(true)
    return this.isEmpty || this.#failure === undefined
  }

  /** Ends the further tries. */
  stop(): void {
    this.#begun = false
    this.#alarm.clear()
  }

  #schedule(ms: number): void {
    if (this.#begun && !this.#round) this.#alarm.set(ms)
  }

  /** `all`: what failed before is tried again though its time has not come. */
  #start(all: boolean): Promise<void> {
    this.#alarm.clear()
    this.#round ??= this.#writeAll(all || this.#backoff.delay <= 0)
    return this.#round
  }

  async #writeAll(retries: boolean): Promise<void> {
    try {
      this.#failure = await this.#write(retries)
    } catch (error) {
      this.#failure = error
      if (!(error instanceof FolderReplaced)) this.#tell(error)
      // Else the lines that wait would fill the memory.
      for (const waiting of this.#waiting.values()) waiting.failure ??= error
    }
    if (this.#failure === undefined) this.#backoff.reset()
    else if (retries) this.#backoff.failed()
    this.#round = undefined
    for (const { failure } of this.#waiting.values()) {
      this.#schedule(failure === undefined ? delayMs : this.#backoff.delay)
    }
  }

  /** Resolves to why something could not be written, now or before; undefined when all was. */
  async #write(retries: boolean): Promise<unknown> {
    const isDue = ({ failure }: Waiting): boolean => retries || failure === undefined
    // Else each round would begin another segment for nothing.
    if (![...this.#waiting.values()].some(isDue)) return this.#failure
    const { before, taken } = await this.#log.rotate(() => [...this.#waiting.values()].filter(isDue).map(take))
    const next = taken.values()
    await Promise.all(Array.from({ length: writers }, () => this.#writeEach(next)))
    const failed = [...this.#waiting.values()].filter(({ failure }) => failure !== undefined)
    const [first] = failed
    if (first) this.#tell(cannotWrite(first.path, first.failure))
    // Kept anew, so that one file that cannot be written does not make the log grow for ever.
    if (failed.length > 0) await this.#log.append(() => failed.map(keepAnew).join(''))
    await this.#log.dropBefore(before)
    return first?.failure
  }

  async #writeEach(next: Iterable<Taken>): Promise<void> {
    for (const taken of next) {
      const { waiting } = taken
      // Forgotten meanwhile.
      if (this.#waiting.get(waiting.key) !== waiting) continue
      waiting.writing = this.#writeOne(taken)
      await waiting.writing
    }
  }

  async #writeOne({ waiting, record, lines }: Taken): Promise<void> {
    const { key, path } = waiting
    const { folder } = this.#log
    try {
      folder.check()
      if (waiting.foreign) await unlessAbsent(setAside(path))
      waiting.foreign = false
      if (lines.length > 0) await this.#history?.add(path, lines, waiting.unsure)
      const stats = await replaceFile(path, `${JSON.stringify(record)}\n`)
      waiting.unsure = false
      delete waiting.failure
      // Else a newer push waits for the next round.
      if (waiting.record !== record) return
      this.#waiting.delete(key)
      this.#files.set(key, path, record, stats)
    } catch (error) {
      this.#fail(waiting, lines, error, (await isGone(dirname(path))) && folder.isInPlace)
    }
  }

  #fail(waiting: Waiting, lines: string[], error: unknown, gone: boolean): void {
    if (gone) {
      // The user was deleted, or the folder removed by hand.
      this.#waiting.delete(waiting.key)
      this.#files.delete(waiting.key)
      return
    }
    waiting.lines = [...lines, ...waiting.lines]
    waiting.unsure = true
    waiting.failure = error
  }
}
