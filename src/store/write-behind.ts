import { sep } from 'node:path'
import type { Progress } from '../protocol.ts'
import { replaceFile, setAside } from './atomic-file.ts'
import { hasCode } from './error-code.ts'
import type { FileCache } from './file-cache.ts'
import { appendHistory, mergeHistory } from './history-file.ts'
import { againLine, pushLine } from './journal-entry.ts'
import type { Journal } from './journal.ts'
import type { ProgressFilesOptions } from './progress-files.ts'

/** Milliseconds that a record waits for further pushes; with the writing itself it is in its file within a second. */
const delayMs = 500

/** Milliseconds after which what failed is tried again. */
const retryMs = 1000

/** Records that are written at a time: the other threads of the pool are for the journal, reads and scrypt. */
const writers = 2

/** A record whose file is older than the journal. */
export interface Waiting {
  key: string
  path: string
  record: Progress
  /** History lines, without their ends. */
  lines: string[]
  /** The file is another document's, and is to be set aside. */
  foreign: boolean
  /** Some of the lines may be in the history already. */
  unsure: boolean
  /** Why it could not be written. */
  failure?: unknown
  /** While it is being written. */
  writing?: Promise<void>
}

interface Taken {
  waiting: Waiting
  record: Progress
  lines: string[]
}

/** Brings what is in the journal into the files, each document once for many pushes. @see STORAGE.md §3, The journal */
export class WriteBehind {
  readonly #journal: Journal
  readonly #files: FileCache<Progress>
  readonly #history: boolean
  readonly #onError: (error: unknown) => void
  readonly #waiting = new Map<string, Waiting>()
  #timer: NodeJS.Timeout | undefined
  #round: Promise<void> | undefined
  /** The last round failed, and that was told. */
  #failed = false

  constructor(journal: Journal, files: FileCache<Progress>, { history, onDamage }: ProgressFilesOptions) {
    this.#journal = journal
    this.#files = files
    this.#history = history
    this.#onError = onDamage
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

  /** Drops what waits for a folder that is gone, and resolves when nothing is being written there. */
  async forget(folder: string): Promise<void> {
    const gone = [...this.#waiting.values()].filter(({ path }) => path.startsWith(folder + sep))
    for (const { key } of gone) this.#waiting.delete(key)
    for (const { writing } of gone) await writing
  }

  /** Writes all that waits now. Whether nothing is left: what fails is told to `onDamage` and tried again. */
  async flush(): Promise<boolean> {
    await this.#round
    if (this.#waiting.size > 0) await this.#start()
    return this.#waiting.size === 0
  }

  /** Ends the further tries. */
  stop(): void {
    clearTimeout(this.#timer)
  }

  #schedule(ms: number): void {
    if (!this.#round) this.#timer ??= setTimeout(() => void this.#start(), ms)
  }

  #start(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#round ??= this.#writeAll()
    return this.#round
  }

  async #writeAll(): Promise<void> {
    let failed = false
    try {
      failed = await this.#write()
    } catch (error) {
      failed = true
      if (!this.#failed) this.#onError(error)
      // Else the lines that wait would fill the memory.
      for (const waiting of this.#waiting.values()) waiting.failure ??= error
    }
    this.#failed = failed
    this.#round = undefined
    if (this.#waiting.size > 0) this.#schedule(failed ? retryMs : delayMs)
  }

  /** Whether something could not be written. */
  async #write(): Promise<boolean> {
    const { before, taken } = await this.#journal.rotate(() => [...this.#waiting.values()].map(take))
    const next = taken.values()
    await Promise.all(Array.from({ length: writers }, () => this.#writeEach(next)))
    const failed = [...this.#waiting.values()].filter(({ failure }) => failure !== undefined)
    // Kept anew, so that one file that cannot be written does not make the journal grow for ever.
    if (failed.length > 0) await this.#journal.append(() => failed.map(keepAnew).join(''))
    await this.#journal.dropBefore(before)
    return failed.length > 0
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
      if (waiting.foreign) await setAside(path)
      waiting.foreign = false
      if (this.#history && lines.length > 0) await (waiting.unsure ? mergeHistory : appendHistory)(path, lines)
      const stats = await replaceFile(path, `${JSON.stringify(record)}\n`)
      waiting.unsure = false
      delete waiting.failure
      // Else a newer push waits for the next round.
      if (waiting.record !== record) return
      this.#waiting.delete(key)
      this.#files.set(key, path, record, stats)
    } catch (error) {
      this.#fail(waiting, lines, error)
    }
  }

  #fail(waiting: Waiting, lines: string[], error: unknown): void {
    if (hasCode(error, 'ENOENT')) {
      // The user's folder was removed.
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

function keepAnew({ path, lines }: Waiting): string {
  return againLine(path) + lines.map((line) => pushLine(path, line)).join('')
}

function take(waiting: Waiting): Taken {
  const { record, lines } = waiting
  waiting.lines = []
  return { waiting, record, lines }
}
