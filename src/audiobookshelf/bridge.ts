import type { FastifyBaseLogger } from 'fastify'
import type { Progress } from '../kosync/protocol.ts'
import type { Account, Admin, Store } from '../store/store.ts'
import { Access } from './access.ts'
import { Books } from './books.ts'
import type { BridgeStorage, EventLog, OpenStorage } from './bridge-storage.ts'
import { Client } from './client.ts'
import { Items } from './items.ts'
import { Library } from './library.ts'
import { Linker } from './linker.ts'
import { Links } from './links.ts'
import { Outage } from './outage.ts'
import type { BridgeEvent, Parts } from './parts.ts'
import { Pulls } from './pull.ts'
import { Sender } from './sender.ts'
import type { Settings } from './settings.ts'

/*
 * The Audiobookshelf bridge: a person listens there and reads in KOReader, and both stay at the same place.
 *
 * A push is stored and answered as without the bridge; then it goes into the outbox, which is durable, and from there to
 * Audiobookshelf, as soon as the guards allow it. A pull asks Audiobookshelf beside the disk, and waits 700 ms at most.
 * A listener's position is an overlay: readers get it, but it is not stored as their record.
 *
 * Priorities: never lose a reader's position; never move a listener by accident; never make a reader wait; accuracy.
 */

export interface BridgeOptions {
  openStorage: OpenStorage
  settings: Settings
  /** KSS_DISABLE_REGISTRATION. */
  disableRegistration: boolean
  logger: FastifyBaseLogger
  /** Resolves when files may change. */
  whole?: Promise<void> | undefined
  now?: () => number
  random?: () => number
  /** Milliseconds between two requests that read the library. */
  spacingMs?: number
  /** Milliseconds that a pull waits at most. */
  budgetMs?: number
}

/** A store and its operators' commands. */
export interface Stores {
  store: Store
  admin: Admin
}

/** Milliseconds that a stop waits for requests in progress; their entries stay in the outbox. */
const stopMs = 2000

/** Milliseconds: the longest wait between two looks at the outbox. */
const longestWait = 60_000

/** Milliseconds between two looks at other processes' entries in the outbox. */
const othersMs = 10_000

export class Bridge {
  readonly #parts: Parts
  readonly #sender: Sender
  readonly #pulls: Pulls
  readonly #linker: Linker
  readonly #options: BridgeOptions
  readonly #log: EventLog
  readonly #background = new Set<Promise<void>>()
  #client: Client
  #settings: Settings
  #timer: NodeJS.Timeout | undefined
  #nextLookAround: NodeJS.Timeout | undefined
  #isReady = false
  #isBehind = false
  #isClosed = false

  private constructor(options: BridgeOptions, { store, admin }: Stores, storage: BridgeStorage) {
    this.#options = options
    this.#settings = options.settings
    const { disableRegistration, now = Date.now, random = Math.random } = options
    const { data, outbox, log, books, lanes } = storage
    this.#log = log
    this.#client = clientOf(options.settings, now)
    const client = (): Client => this.#client
    const settings = (): Settings => this.#settings
    const { spacingMs } = options
    const library = new Library({ data, client, now, ...(spacingMs !== undefined && { spacingMs }) })
    this.#parts = {
      store,
      data,
      access: new Access({ store, admin, settings, disableRegistration, now }),
      links: new Links({ data, library, settings, now }),
      library,
      books: new Books(books, client, () => this.#settings.timeoutMs),
      items: new Items(client, now),
      outbox,
      outage: new Outage(now, random),
      lanes,
      client,
      settings,
      now,
      send: (account, record) => this.#send(account, record),
      tell: (account, event) => this.#tell(account, event),
      onFailure: failureLog(options),
    }
    this.#sender = new Sender(this.#parts, random, () => this.look())
    this.#pulls = new Pulls(this.#parts, options.budgetMs)
    this.#linker = new Linker(this.#parts, admin, () => this.look())
  }

  /** Opens the storage; sends nothing until `whole` resolves. */
  static async open(options: BridgeOptions, stores: Stores): Promise<Bridge> {
    const { openStorage, settings, logger, now = Date.now, whole = Promise.resolve() } = options
    const onDamage = (err: unknown): void => logger.error({ err }, 'damaged entry of the outbox')
    const storage = await openStorage({ store: stores.store, now, onFailure: failureLog(options), onDamage })
    const bridge = new Bridge(options, stores, storage)
    for (const warning of settings.warnings) logger.warn(warning)
    await bridge.#warnOfStrangers().catch(bridge.#parts.onFailure)
    void whole.then(() => bridge.#begin())
    return bridge
  }

  async #warnOfStrangers(): Promise<void> {
    for (const username of this.#settings.users.keys()) {
      if (await this.#parts.store.getUser(username)) continue
      this.#options.logger.warn({ username }, 'AUDIOBOOKSHELF_USER_MAP has a user that kss does not know')
    }
  }

  get parts(): Parts {
    return this.#parts
  }

  get linker(): Linker {
    return this.#linker
  }

  /** Applies changed settings. */
  configure(settings: Settings): void {
    this.#client.close()
    this.#settings = settings
    this.#client = clientOf(settings, this.#parts.now)
    this.#parts.items.forget()
    this.#parts.access.forget()
    if (this.#isReady) this.#begin()
  }

  /** The bridge's actions for the account, oldest first. */
  async listEvents(account: Account): ReturnType<EventLog['list']> {
    return await this.#log.list(account)
  }

  /** Sends all waiting entries at once. */
  async retry(): Promise<void> {
    await this.#sender.retry()
    this.look()
  }

  /** Handles a push of a reader, behind its answer. */
  pushed(account: Account, record: Progress): void {
    this.#inBackground(async () => {
      await this.#pulls.end(account, record.document)
      await this.#send(account, record)
    })
  }

  /** The record that a reader gets. */
  async getProgress(account: Account, document: string): Promise<Progress | undefined> {
    const { store } = this.#parts
    const linked = this.#isReady ? await this.#linkOf(account, document) : undefined
    if (!linked) return await store.getProgress(account, document)
    return await this.#pulls.getProgress(account, document, linked.item, linked.key)
  }

  /** Handles a removed, renamed or new account. */
  async accountChanged(account: Account | undefined, to?: string): Promise<void> {
    const { access, outbox } = this.#parts
    access.forget()
    if (account) this.#linker.forget(account)
    if (account) await (to === undefined ? outbox.deleteAccount(account) : outbox.rename(account, to))
  }

  /** Stops sending; the outbox stays. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    clearTimeout(this.#nextLookAround)
    const done = Promise.all([...this.#background, this.#sender.idle(), this.#pulls.idle(), this.#linker.idle()])
    let timer: NodeJS.Timeout | undefined
    await Promise.race([done, new Promise((resolve) => (timer = setTimeout(resolve, stopMs)))])
    clearTimeout(timer)
    this.#client.close()
    await this.#parts.outbox.flush()
  }

  /** Resolves when no work is in progress. */
  async idle(): Promise<void> {
    while (this.#background.size > 0) await Promise.all(this.#background)
    await Promise.all([this.#sender.idle(), this.#pulls.idle(), this.#linker.idle()])
  }

  async #linkOf(account: Account, document: string, isPush = false): ReturnType<Linker['linkOf']> {
    try {
      return await this.#linker.linkOf(account, document, isPush)
    } catch (error) {
      // A failure of the bridge must not withhold the reader's own record.
      this.#parts.onFailure(error)
      return undefined
    }
  }

  async #send(account: Account, record: Progress): Promise<void> {
    if (!(await this.#linkOf(account, record.document, true))) return
    try {
      await this.#parts.outbox.put(account, record)
    } catch (error) {
      this.#isBehind = true
      throw error
    }
    this.look()
  }

  #begin(): void {
    this.#isReady = true
    this.#isBehind = true
    this.#inBackground(() => this.lookAround())
    this.look()
  }

  /** Loads the entries of earlier processes, once; afterwards those of processes beside this one. */
  async lookAround(): Promise<void> {
    const { outbox } = this.#parts
    clearTimeout(this.#nextLookAround)
    const isBehind = this.#isBehind
    this.#isBehind = false
    try {
      await outbox.refresh?.()
      if (isBehind) await this.#linker.catchUp()
    } catch (error) {
      this.#isBehind ||= isBehind
      throw error
    } finally {
      if (outbox.refresh && !this.#isClosed) {
        this.#nextLookAround = setTimeout(() => this.#inBackground(() => this.lookAround()), othersMs).unref()
        this.look()
      }
    }
  }

  /** Sends the entries that are due, and sets the timer for the next ones. */
  look(): void {
    clearTimeout(this.#timer)
    if (this.#isClosed || !this.#isReady) return
    const times = [this.#sender.run(), this.#linker.run()].filter((time) => time !== undefined)
    if (times.length === 0) return
    const next = Math.min(...times)
    const wait = Math.min(Math.max(next - this.#parts.now(), 0), longestWait)
    this.#timer = setTimeout(() => this.look(), wait)
    this.#timer.unref()
  }

  #inBackground(work: () => Promise<void>): void {
    const done = work()
      .catch(this.#parts.onFailure)
      .finally(() => this.#background.delete(done))
    this.#background.add(done)
  }

  #tell(account: Account, event: BridgeEvent): void {
    const { logger } = this.#options
    const isNews = event.what === 'obstacle' || event.what === 'dropped' || event.what === 'linked'
    logger[isNews ? 'info' : 'debug']({ username: account.username, ...event }, 'Audiobookshelf')
    this.#log.add(account, event)
  }
}

function failureLog({ logger }: BridgeOptions): (err: unknown) => void {
  return (err) => {
    // The server reports itself when the engine is unavailable.
    const isAway = (err as NodeJS.ErrnoException).code === 'STORE_UNAVAILABLE'
    logger[isAway ? 'debug' : 'error']({ err }, 'the Audiobookshelf bridge failed')
  }
}

function clientOf({ baseUrl, timeoutMs }: Settings, now: () => number): Client {
  return new Client({ baseUrl, timeoutMs, now })
}
