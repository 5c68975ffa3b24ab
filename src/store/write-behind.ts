import { stat } from 'node:fs/promises'
import { dirname, sep } from 'node:path'
import type { Progress } from '../protocol.ts'
import { replaceFile, setAside } from './atomic-file.ts'
import { unlessAbsent } from './error-code.ts'
import type { FileCache } from './file-cache.ts'
import type { HistoryFiles } from './history-file.ts'
import type { Journal } from './journal.ts'
import { keepAnew, take, type Taken, type Waiting } from './waiting.ts'

/** Milliseconds that a record waits for further pushes; with the writing itself it is in its file within a second. */
const delayMs = 500

/** Milliseconds after which what failed is tried again. */
const retryMs = 1000

/** Documents that may wait, so that neither the memory nor the time of a stop or start grows without end. */
const mostWaiting = 2000

/** Records that are written at a time: the other threads of the pool are for the journal, reads and scrypt. */
const writers = 2

/** Brings what is in the journal into the files, each document once for many pushes. @see STORAGE.md §3, The journal */
export class WriteBehind {
  readonly #journal: Journal
  readonly #files: FileCache<Progress>
  /** Undefined when none is kept. */
  readonly #history: HistoryFiles | undefined
  readonly #onError: (error: unknown) => void
  readonly #waiting = new Map<string, Waiting>()
  #timer: NodeJS.Timeout | undefined
  #round: Promise<void> | undefined
  #begun = false
  /** Why the last round failed; that was told. */
  #failure: unknown

  constructor(
    journal: Journal,
    files: FileCache<Progress>,
    history: HistoryFiles | undefined,
    onError: (error: unknown) => void,
  ) {
    this.#journal = journal
    this.#files = files
    this.#history = history
    this.#onError = onError
  }

  get(key: string): Waiting | undefined {
    return this.#waiting.get(key)
  }

  /** Takes over what is in the journal from now on. */
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

  /** From here on files are written, and then journal files dropped: all that is in them must have been added. */
  begin(): void {
    this.#begun = true
    if (!this.isEmpty) this.#schedule(0)
  }

  /** Waits while too many documents wait for a slow disk; rejects when it fails. */
  async makeRoom(key: string): Promise<void> {
    while (this.#waiting.size >= mostWaiting && !this.#waiting.has(key)) {
      await this.#start()
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
    if (!this.isEmpty) await this.#start()
    return this.isEmpty || this.#failure === undefined
  }

  /** Ends the further tries. */
  stop(): void {
    clearTimeout(this.#timer)
  }

  #schedule(ms: number): void {
    if (this.#begun && !this.#round) this.#timer ??= setTimeout(() => void this.#start(), ms)
  }

  #start(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#round ??= this.#writeAll()
    return this.#round
  }

  async #writeAll(): Promise<void> {
    let failure: unknown
    try {
      failure = await this.#write()
    } catch (error) {
      failure = error
      if (this.#failure === undefined) this.#onError(error)
      // Else the lines that wait would fill the memory.
      for (const waiting of this.#waiting.values()) waiting.failure ??= error
    }
    this.#failure = failure
    this.#round = undefined
    if (!this.isEmpty) this.#schedule(failure === undefined ? delayMs : retryMs)
  }

  /** Resolves to why something could not be written; undefined when all was. */
  async #write(): Promise<unknown> {
    const { before, taken } = await this.#journal.rotate(() => [...this.#waiting.values()].map(take))
    const next = taken.values()
    await Promise.all(Array.from({ length: writers }, () => this.#writeEach(next)))
    const failed = [...this.#waiting.values()].filter(({ failure }) => failure !== undefined)
    // Kept anew, so that one file that cannot be written does not make the journal grow for ever.
    if (failed.length > 0) await this.#journal.append(() => failed.map(keepAnew).join(''))
    await this.#journal.dropBefore(before)
    return failed[0]?.failure
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
    try {
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
      this.#fail(waiting, lines, error, await isGone(dirname(path)))
    }
  }

  #fail(waiting: Waiting, lines: string[], error: unknown, gone: boolean): void {
    if (gone) {
      // The user was deleted, or the folder removed by hand.
      this.#waiting.delete(waiting.key)
      this.#files.delete(waiting.key)
      return
    }
    if (waiting.failure === undefined) this.#onError(error)
    waiting.lines = [...lines, ...waiting.lines]
    waiting.unsure = true
    waiting.failure = error
  }
}

async function isGone(folder: string): Promise<boolean> {
  try {
    return (await unlessAbsent(stat(folder))) === undefined
  } catch {
    return false
  }
}
