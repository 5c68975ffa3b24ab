import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FileStore } from '../../src/store/file-store/file-store.ts'
import type { Account } from '../../src/store/store.ts'
import { Random } from '../crash/random.ts'
import { faultyDisk, type Call, type FaultyDisk, type Teardown } from '../store/file-store/faulty-disk.ts'
import { AccountModel, type DocumentModel } from './model.ts'
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

class Violation extends Error {}

type Request = (account: Account, model: AccountModel) => Promise<void>

type Attempt<T> = { result: T; error?: never } | { result?: never; error: Error }

const names = ['ann', 'eve'] as const
const documents = ['d1', 'd2', 'd3'] as const
const codes = ['ENOSPC', 'EIO', 'EMFILE', 'EROFS'] as const
const changes: readonly Call[] = ['open', 'write', 'sync', 'truncate', 'rename', 'link', 'mkdir', 'rm']
const reads: readonly Call[] = ['stat', 'lstat', 'readdir', 'read', 'readFile']
const calls = [...changes, ...reads]
const logPaths = [/\.wal\/\d+\.log$/, /\.wal$/, /\.wal/]
const filePaths = [/\/(ann|eve)\/\.tmp-[^/]*$/, /\.jsonl$/, /history\/\.tmp/, /\/d\d\.json$/, /auth\.json$/]
const paths = [...logPaths, ...filePaths, /history$/, /\/(ann|eve)$/, /\/state-\d+$/, /./]
const flushed = [/\/d1\.json$/, /\/d\d\.json$/, /\.jsonl$/, /history$/, /\/(ann|eve)$/, /\.wal\/\d+\.log$/]

/** Milliseconds after which a store reads again what it knows of an account, and tries again to write a file. */
const settledMs = 1100

/** How often a read may fail on a disk that works again. */
const patience = 10

/** What a row of another server has: long before all pushes. */
const longAgo = 1_000_000_000

/**
 * Two accounts, their documents and a disk whose calls fail, most often flushes, that hangs for a moment, and whose power
 * goes. A model says what the store must have after each answer: what was acknowledged, and after an error the old or the
 * new. Waits are real, so a seed repeats the steps, but not the moments of the checkpoints.
 */
export async function runFaults(t: Teardown, options: RunOptions): Promise<RunReport> {
  const run = new Run(t, options)
  try {
    await run.play(options.steps)
  } catch (error) {
    if (!(error instanceof Violation)) throw error
    run.report.violation = error.message
  } finally {
    await run.close()
  }
  return run.report
}

class Run {
  readonly report: RunReport = { pushes: 0, crashes: 0, cut: 0, trail: [] }
  readonly #random: Random
  readonly #folder: string
  readonly #forget: RegExp | undefined
  readonly #historyLimit: number
  /** All pushes have the same time. Then two histories have no order in which they can be merged. */
  readonly #isOneSecond: boolean
  readonly #disk: FaultyDisk
  readonly #files: UnflushedFiles
  readonly #accounts = new Map<string, AccountModel>()
  #store!: FileStore
  /** Those of before a crash. */
  readonly #stopped: { store: FileStore; release: () => void }[] = []
  #isFaulty = false

  constructor(t: Teardown, { folder, seed, forget }: RunOptions) {
    this.#random = new Random(seed)
    this.#folder = folder
    this.#forget = forget
    this.#historyLimit = this.#random.pick([0, 0, 3])
    this.#isOneSecond = this.#random.chance(0.5)
    this.#disk = faultyDisk(t)
    this.#files = new UnflushedFiles(t, this.#random)
  }

  async play(steps: number): Promise<void> {
    mkdirSync(this.#dir)
    await this.#open()
    for (let step = 0; step < steps; step += 1) await this.#step()
    await this.#verify('at the end')
    if (!(await this.#store.admin.flush())) this.#violate('not all could be written to a disk that works')
    await this.#verify('at the end, flushed')
  }

  async close(): Promise<void> {
    this.#mend()
    for (const { release } of this.#stopped) release()
    for (const { store } of this.#stopped) await store.close()
    await this.#store.close()
  }

  get #dir(): string {
    return join(this.#folder, `state-${this.report.crashes}`)
  }

  async #step(): Promise<void> {
    const request = this.#choose<Request>([
      [10, (account) => this.#create(account.username)],
      [6, (account) => this.#delete(account)],
      [6, (account, model) => this.#rename(account, model)],
      [8, (account, model) => this.#remove(account, this.#random.pick(documents), model)],
      [4, (account, model) => this.#merge(account, model)],
      [3, (account, model) => this.#prune(account, this.#random.pick(documents), model)],
      [3, (account, model) => this.#setKey(account, model)],
      [5, (account) => this.#import(account)],
      [3, (account) => this.#read(account, this.#random.pick(documents))],
      [5, (account) => this.#title(account, this.#random.pick(documents))],
      [50, (account, model) => this.#push(account, model)],
    ])
    const step = this.#choose<() => unknown>([
      [9, () => (this.#isFaulty ? this.#mend() : this.#breakDisk())],
      [2, () => this.#hang()],
      [4, () => sleep(this.#random.pick([50, 600, settledMs]))],
      [4, () => this.#attempt('flush', () => this.#store.admin.flush())],
      [6, () => this.#crash()],
      [2, () => this.#restart()],
      [73, () => this.#request(request)],
    ])
    await step()
  }

  /** One of these, each as often as its share of all. */
  #choose<T>(shares: readonly (readonly [share: number, step: T])[]): T {
    const all = shares.reduce((sum, [share]) => sum + share, 0)
    let rest = this.#random.between(0, all)
    return shares.find(([share]) => (rest -= share) < 0)![1]
  }

  async #request(request: Request): Promise<void> {
    const username = this.#random.pick(names)
    const model = this.#accounts.get(username)
    if (!model) return await this.#create(username)
    const account = await this.#find(username)
    if (account) await request(account, model)
  }

  #breakDisk(): void {
    const random = this.#random
    const [call, path, code] = random.chance(0.6)
      ? (['sync', random.pick(flushed), 'EIO'] as const)
      : ([random.pick(calls), random.pick(paths), random.pick(codes)] as const)
    this.#disk.fail(call, path, code)
    this.#isFaulty = true
    this.#tell(`fault: ${code} at ${call} of ${path}`)
  }

  #mend(): void {
    this.#disk.mend()
    this.#isFaulty = false
    this.#tell('mended')
  }

  /** For less time than the store waits for a disk. */
  #hang(): void {
    const [call, path] = [this.#random.pick(calls), this.#random.pick(paths)]
    const ms = Math.floor(this.#random.between(10, 500))
    setTimeout(this.#disk.hold(call, path), ms)
    this.#tell(`for ${ms} ms, ${call} of ${path} waits`)
  }

  async #open(): Promise<void> {
    const random = this.#random
    const opened = await this.#attempt('open', () =>
      FileStore.open({
        dir: this.#dir,
        history: true,
        historyLimit: this.#historyLimit,
        preallocate: random.chance(0.7),
        segmentBytes: random.pick([3000, 65_536]),
        checkpointBytes: random.pick([2000, 1_000_000]),
        logMaxBytes: random.pick([20_000, 100_000_000]),
        onDamage: (error) => this.#tell(`damage: ${error instanceof Error ? error.message : String(error)}`),
      }),
    )
    if (opened.error) {
      if (!this.#isFaulty) this.#violate(`it does not start: ${opened.error.message}`)
      this.#mend()
      return await this.#open()
    }
    this.#store = opened.result
  }

  async #restart(): Promise<void> {
    const closed = await this.#attempt('close', () => this.#store.close())
    if (closed.error) this.#mend()
    await this.#open()
  }

  /**
   * No call of the old store comes back before the end of the run. The new one has a copy of what is left, for the old one
   * may still hold files open.
   */
  async #crash(): Promise<void> {
    const isPowerCut = this.#random.chance(0.7)
    // The files of new pushes are written by then, and not flushed.
    if (this.#random.chance(0.5)) await sleep(600)
    const from = this.#dir
    const held = calls.map((call) => this.#disk.hold(call, new RegExp(`${from}(/|$)`)))
    this.#stopped.push({ store: this.#store, release: () => held.forEach((release) => release()) })
    // A call that was made before comes to its end.
    await until(() => this.#disk.underWay() === 0)
    this.report.crashes += 1
    this.#files.copy(from, this.#dir, isPowerCut, this.#forget)
    this.report.cut = this.#files.cut
    this.#tell(isPowerCut ? 'power cut' : 'kill')
    await this.#open()
    if (this.#random.chance(0.5)) await this.#verify('after a crash')
  }

  async #create(username: string): Promise<void> {
    const { result, error } = await this.#attempt(`create ${username}`, () =>
      this.#store.createUser({ username, key: 'first' }),
    )
    const wasThere = this.#accounts.has(username)
    if (result && wasThere) this.#violate(`${username} was created twice`)
    const isThere = error ? await this.#isThere(username) : true
    if (!isThere && wasThere) this.#violate(`to create ${username} took the account away`)
    if (isThere && !wasThere) this.#accounts.set(username, new AccountModel())
  }

  async #delete(account: Account): Promise<void> {
    const { username } = account
    const { error } = await this.#attempt(`delete ${username}`, () => this.#store.deleteUser(account))
    if (!error || !(await this.#isThere(username))) this.#accounts.delete(username)
  }

  async #rename(account: Account, model: AccountModel): Promise<void> {
    const { username } = account
    const to = username === 'ann' ? 'eve' : 'ann'
    if (this.#accounts.has(to)) return
    const { error } = await this.#attempt(`rename ${username} to ${to}`, () =>
      this.#store.admin.renameUser(account, to),
    )
    const isRenamed = error ? await this.#isThere(to) : true
    if (await this.#isThere(username))
      return isRenamed ? this.#violate(`both ${username} and ${to} are there`) : undefined
    if (!isRenamed) this.#violate(`to rename ${username} took the account away`)
    this.#accounts.delete(username)
    this.#accounts.set(to, model)
  }

  async #remove(account: Account, document: string, owner: AccountModel): Promise<void> {
    const model = owner.get(document)
    const { result, error } = await this.#attempt(`remove ${account.username}/${document}`, () =>
      this.#store.admin.deleteProgress(account, document),
    )
    if (error) return model.mayBeRemoved()
    if (!result && !model.mayBeMissing) this.#violate(`there is no ${document} to remove`)
    model.remove()
  }

  async #merge(account: Account, model: AccountModel): Promise<void> {
    if (this.#isOneSecond) return
    const from = this.#random.pick(documents)
    const into = this.#random.pick(documents.filter((document) => document !== from))
    const { result, error } = await this.#attempt(`merge ${account.username}/${from} into ${into}`, () =>
      this.#store.admin.mergeDocuments(account, from, into),
    )
    const [source, target] = [model.get(from), model.get(into)]
    if (error) return await this.#lookWhatMerged(account.username, from, source, target)
    if (result) {
      target.merge(source)
      source.remove()
    } else if (!source.mayBeMissing && !target.mayBeMissing) this.#violate(`${from} and ${into} are not both there`)
  }

  /** After a merge that was refused. What is gone must be in the other document; a power cut may bring it back. */
  async #lookWhatMerged(username: string, from: string, source: DocumentModel, target: DocumentModel): Promise<void> {
    this.#mend()
    await sleep(settledMs)
    // Anew: a change of the key that was refused may count by now.
    const account = await this.#find(username)
    if (!account) return this.#violate(`to merge took ${username} away`)
    const record = await this.#whenMended(async () => this.#store.getProgress(account, from))
    if (record || source.mayBeMissing) return target.mayBeMerged(source)
    target.merge(source)
    source.mayBeRemoved()
  }

  async #prune(account: Account, document: string, owner: AccountModel): Promise<void> {
    owner.get(document).prune()
    await this.#attempt(`prune ${account.username}/${document}`, () =>
      this.#store.admin.pruneHistory(account, 2, 0, document),
    )
  }

  async #setKey(account: Account, model: AccountModel): Promise<void> {
    const key = `key ${this.report.pushes}`
    const { error } = await this.#attempt(`key of ${account.username}: ${key}`, () => this.#store.setKey(account, key))
    model.keys = error ? model.keys.add(key) : new Set([key])
  }

  async #import(account: Account): Promise<void> {
    const row = { document: 'imported', percentage: 0.1, progress: 'old', device: 'kobo', timestamp: longAgo }
    await this.#attempt(`import into ${account.username}`, () =>
      this.#store.admin.importAccount(account, [{ rows: [row] }]),
    )
  }

  /** Brings what is in the log into the files. */
  async #read(account: Account, document: string): Promise<void> {
    await this.#attempt(`read ${account.username}/${document}`, () => this.#store.listHistory(account, document))
  }

  async #title(account: Account, document: string): Promise<void> {
    const title = `title ${this.report.pushes}`
    await this.#attempt(`title of ${account.username}/${document}`, () =>
      this.#store.admin.putTitle(account, document, title),
    )
  }

  /** One document, or all of them at once. */
  async #push(account: Account, model: AccountModel): Promise<void> {
    const pushed = this.#random.chance(0.8) ? [this.#random.pick(documents)] : documents
    await Promise.all(pushed.map((document) => this.#pushOne(account, document, model.get(document))))
  }

  async #pushOne(account: Account, document: string, model: DocumentModel): Promise<void> {
    const push = (this.report.pushes += 1)
    model.send(push)
    const record = {
      document,
      percentage: push / 1_000_000,
      progress: `${push}`,
      device: 'kobo',
      timestamp: longAgo * 1.5 + (this.#isOneSecond ? 0 : push),
    }
    const { error } = await this.#attempt(`push ${account.username}/${document}: ${push}`, () =>
      this.#store.putProgress(account, record),
    )
    if (!error) model.acknowledge(push)
  }

  /** All is as the model says, on a disk that works again. */
  async #verify(when: string): Promise<void> {
    this.#mend()
    this.#tell(`look ${when}`)
    await sleep(settledMs)
    for (const username of names) {
      const model = this.#accounts.get(username)
      const account = await this.#find(username)
      if (!model && account) this.#violate(`${username} is there ${when}`)
      if (!model) continue
      if (!account) return this.#violate(`${username} is not there ${when}`)
      const key = (await this.#store.getUser(username))?.key ?? ''
      if (!model.keys.has(key))
        this.#violate(`${username} has "${key}" ${when}, not "${[...model.keys].join('" or "')}"`)
      for (const [document, each] of model.documents) {
        const record = await this.#whenMended(async () => this.#store.getProgress(account, document))
        const history = await this.#whenMended(() => this.#store.listHistory(account, document))
        const wrong = each.check(record, history, this.#historyLimit)
        if (wrong) this.#violate(`${username}/${document} ${when}: ${wrong}`)
      }
    }
  }

  /** A file that could not be written is tried again after a while. */
  async #whenMended<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      const { result, error } = await this.#attempt('read', work)
      if (!error) return result
      if (tries === patience) this.#violate(`what cannot be read on a disk that works: ${error.message}`)
      await sleep(settledMs)
    }
  }

  /** After an error, on a disk that works again. */
  async #isThere(username: string): Promise<boolean> {
    this.#mend()
    await sleep(settledMs)
    return (await this.#find(username)) !== undefined
  }

  async #find(username: string): Promise<Account | undefined> {
    const { result } = await this.#attempt(`look up ${username}`, async () => this.#store.getUser(username))
    return result?.account
  }

  /** An error is one of the disk, or the store's own: each has a code. */
  async #attempt<T>(what: string, work: () => Promise<T>): Promise<Attempt<T>> {
    try {
      const result = await work()
      this.#tell(`${what}: ${typeof result === 'object' ? 'done' : String(result)}`)
      return { result }
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error
      this.#tell(`${what}: ${String(error.code)}`)
      return { error }
    }
  }

  #tell(step: string): void {
    this.report.trail = [...this.report.trail.slice(-80), step]
  }

  #violate(text: string): never {
    throw new Violation(text)
  }
}
