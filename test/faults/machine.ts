import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FileStore } from '../../src/store/file-store/file-store.ts'
import { Random } from '../crash/random.ts'
import { faultyDisk, type Call, type FaultyDisk, type Teardown } from '../store/file-store/faulty-disk.ts'
import { UnflushedFiles } from './unflushed-files.ts'
import { until } from '../until.ts'

export interface RunOptions {
  /** An empty folder, on a file system in memory if there is one: nothing here needs a real flush. */
  folder: string
  seed: number
  /** Requests, faults, crashes and waits. */
  steps: number
  /** What the disk forgets at each crash although it was flushed: none, unless the run shall fail. */
  forget?: RegExp
}

/** What a run did. */
export interface RunReport {
  pushes: number
  crashes: number
  /** Files that power cuts changed. */
  cut: number
  /** What the store should not have done; undefined when all is well. */
  violation?: string
  /** The last steps, for a person. */
  trail: string[]
}

/** The store did what it should not have done. */
export class Violation extends Error {}

/** What came of a call of the store. */
type Attempt<T> = { result: T; error?: never } | { result?: never; error: Error }

const codes = ['ENOSPC', 'EIO', 'EMFILE', 'EROFS'] as const
const changes: readonly Call[] = ['open', 'write', 'sync', 'truncate', 'rename', 'link', 'mkdir', 'rm']
const reads: readonly Call[] = ['stat', 'lstat', 'readdir', 'read', 'readFile']
const calls = [...changes, ...reads]
const logPaths = [/\.wal\/\d+\.log$/, /\.wal$/, /\.wal/]
const filePaths = [/\/(ann|eve)\/\.tmp-[^/]*$/, /\.jsonl$/, /history\/\.tmp/, /\/d\d\.json$/, /auth\.json$/]
const paths = [...logPaths, ...filePaths, /history$/, /\/(ann|eve)$/, /\/state-\d+$/, /./]
const flushed = [/\/d1\.json$/, /\/d\d\.json$/, /\.jsonl$/, /history$/, /\/(ann|eve)$/, /\.wal\/\d+\.log$/]

/** A store, the disk below it, whose calls fail and hang, and the power, which goes. */
export class Machine {
  readonly report: RunReport = { pushes: 0, crashes: 0, cut: 0, trail: [] }
  readonly random: Random
  readonly historyLimit: number
  readonly #folder: string
  readonly #forget: RegExp | undefined
  readonly #disk: FaultyDisk
  readonly #files: UnflushedFiles
  #store!: FileStore
  /** Those of before a crash. */
  readonly #stopped: { store: FileStore; release: () => void }[] = []
  #isFaulty = false

  constructor(t: Teardown, { folder, seed, forget }: RunOptions) {
    this.random = new Random(seed)
    this.historyLimit = this.random.pick([0, 0, 3])
    this.#folder = folder
    this.#forget = forget
    this.#disk = faultyDisk(t)
    this.#files = new UnflushedFiles(t, this.random)
  }

  async start(): Promise<void> {
    mkdirSync(this.#dir)
    await this.#open()
  }

  async close(): Promise<void> {
    this.mend()
    for (const { release } of this.#stopped) release()
    for (const { store } of this.#stopped) await store.close()
    await this.#store.close()
  }

  /** Another one after each restart and crash. */
  get store(): FileStore {
    return this.#store
  }

  get isFaulty(): boolean {
    return this.#isFaulty
  }

  get #dir(): string {
    return join(this.#folder, `state-${this.report.crashes}`)
  }

  breakDisk(): void {
    const random = this.random
    const [call, path, code] = random.chance(0.6)
      ? (['sync', random.pick(flushed), 'EIO'] as const)
      : ([random.pick(calls), random.pick(paths), random.pick(codes)] as const)
    this.#disk.fail(call, path, code)
    this.#isFaulty = true
    this.tell(`fault: ${code} at ${call} of ${path}`)
  }

  mend(): void {
    this.#disk.mend()
    this.#isFaulty = false
    this.tell('mended')
  }

  /** For less time than the store waits for a disk. */
  hang(): void {
    const [call, path] = [this.random.pick(calls), this.random.pick(paths)]
    const ms = Math.floor(this.random.between(10, 500))
    setTimeout(this.#disk.hold(call, path), ms)
    this.tell(`for ${ms} ms, ${call} of ${path} waits`)
  }

  async #open(): Promise<void> {
    const random = this.random
    const opened = await this.attempt('open', () =>
      FileStore.open({
        dir: this.#dir,
        history: true,
        historyLimit: this.historyLimit,
        preallocate: random.chance(0.7),
        segmentBytes: random.pick([3000, 65_536]),
        checkpointBytes: random.pick([2000, 1_000_000]),
        logMaxBytes: random.pick([20_000, 100_000_000]),
        onDamage: (error) => this.tell(`damage: ${error instanceof Error ? error.message : String(error)}`),
      }),
    )
    if (opened.error) {
      if (!this.#isFaulty) this.violate(`it does not start: ${opened.error.message}`)
      this.mend()
      return await this.#open()
    }
    this.#store = opened.result
  }

  async restart(): Promise<void> {
    const closed = await this.attempt('close', () => this.#store.close())
    if (closed.error) this.mend()
    await this.#open()
  }

  /**
   * No call of the old store comes back before the end of the run. The new one has a copy of what is left, for the old one
   * may still hold files open.
   */
  async crash(): Promise<void> {
    const isPowerCut = this.random.chance(0.7)
    // The files of new pushes are written by then, and not flushed.
    if (this.random.chance(0.5)) await sleep(600)
    const from = this.#dir
    const held = calls.map((call) => this.#disk.hold(call, new RegExp(`${from}(/|$)`)))
    this.#stopped.push({ store: this.#store, release: () => held.forEach((release) => release()) })
    // A call that was made before comes to its end.
    await until(() => this.#disk.underWay() === 0)
    this.report.crashes += 1
    this.#files.copy(from, this.#dir, isPowerCut, this.#forget)
    this.report.cut = this.#files.cut
    this.tell(isPowerCut ? 'power cut' : 'kill')
    await this.#open()
  }

  /** An error is one of the disk, or the store's own: each has a code. */
  async attempt<T>(what: string, work: () => Promise<T>): Promise<Attempt<T>> {
    try {
      const result = await work()
      this.tell(`${what}: ${typeof result === 'object' ? 'done' : String(result)}`)
      return { result }
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error
      this.tell(`${what}: ${String(error.code)}`)
      return { error }
    }
  }

  tell(step: string): void {
    this.report.trail = [...this.report.trail.slice(-80), step]
  }

  /** Throws Violation. */
  violate(text: string): never {
    throw new Violation(text)
  }
}
