import { hash as digest, randomBytes } from 'node:crypto'
import { Ajv } from 'ajv'
import type { FastifyBaseLogger } from 'fastify'
import { LRUCache } from 'lru-cache'
import type { Credentials } from '../kosync/credentials.ts'
import { ProtocolError } from '../kosync/protocol-error.ts'
import { registration, type Progress } from '../kosync/protocol.ts'
import type { Account, Store } from '../store/store.ts'
import type { Upstream } from '../upstream.ts'
import { readForeignRecord } from './foreign-record.ts'
import { Questions, type QuestionsOptions } from './questions.ts'

export interface OldServerOptions extends QuestionsOptions {
  store: Store
  logger: FastifyBaseLogger
  /** Milliseconds since 1970 from which the upstream is no longer asked. */
  until?: number
  /** The users that move; empty for all. */
  usernames?: string[]
  /** Milliseconds since 1970. */
  now?: () => number
}

/** Milliseconds that a refused log-in, or a failure for a document, is remembered. */
const rememberedMs = 60_000

/** Milliseconds for which the cache may use an old time; 0 so that a test can set the clock. */
const ttlResolution = 0

/** Seconds. */
const retryAfter = 5

/** Ids that are one part of a path as they are, whatever a server or proxy decodes; KOReader's are 32 hex digits. */
const plainId = /^(?!\.+$)[\w.~-]{1,255}$/

const isRegistration = new Ajv().compile(registration)

/** The upstream: its users and their positions move here as readers ask for them. */
export class OldServer implements Upstream {
  readonly #options: OldServerOptions
  readonly #questions: Questions
  readonly #usernames: Set<string>
  /** Refused log-ins; a forgotten one is asked about again. */
  readonly #refused = new LRUCache<string, true>({ max: 10_000, ttl: rememberedMs, ttlResolution })
  readonly #asking = new Map<string, Promise<boolean>>()
  /** Documents that were asked for, and users whose key the upstream refused. A failure is remembered for a minute only. */
  readonly #asked = new LRUCache<string, 'done' | 'failed'>({ max: 20_000, ttlResolution })
  readonly #fetching = new Map<string, Promise<Progress | undefined>>()
  readonly #secret = randomBytes(32).toString('hex')

  constructor(options: OldServerOptions) {
    this.#options = options
    this.#questions = new Questions(options)
    this.#usernames = new Set(options.usernames)
  }

  knows(credentials: Credentials, spentMs: number): Promise<boolean> | undefined {
    const { username, key } = credentials
    const covers = this.#usernames.size === 0 || this.#usernames.has(username)
    // As strict as a registration: a name that cannot be an account here, or would break a header, is not asked about.
    if (this.#hasEnded() || !covers || !isRegistration({ username, password: key })) return undefined
    const id = this.#id(username, key)
    if (this.#refused.has(id)) return undefined
    return once(this.#asking, id, async () => {
      const isKnown = await this.#questions.authorize(credentials, spentMs)
      if (!isKnown) this.#refused.set(id, true)
      return isKnown
    })
  }

  async fetchProgress(account: Account, key: string, document: string, spentMs: number): Promise<Progress | undefined> {
    const { username } = account
    if (this.#hasEnded() || !plainId.test(document)) return undefined
    const user = await this.#options.store.getUser(username)
    // The upstream does not get the key of a user who signed up here, unless the operator named the user.
    if (!user || !(user.adopted || this.#usernames.has(username))) return undefined
    const [ofUser, id] = [this.#id(username, user.key), this.#id(username, user.key, document)]
    const before = this.#asked.get(ofUser) ?? this.#asked.get(id)
    if (before === 'done') return undefined
    if (before === 'failed') throw new ProtocolError('unavailable', retryAfter)
    return await once(this.#fetching, id, async () => {
      const found = await this.#find({ username, key }, document, spentMs, id)
      const kept = typeof found === 'object' ? await this.#keep(account, document, found) : undefined
      // From now on the refused key is not sent again.
      this.#asked.set(found === 'refused' ? ofUser : id, 'done')
      return kept
    })
  }

  #hasEnded(): boolean {
    const { until = Number.POSITIVE_INFINITY, now = Date.now } = this.#options
    return now() >= until
  }

  async #find(
    credentials: Credentials,
    document: string,
    spentMs: number,
    id: string,
  ): Promise<object | 'refused' | 'nothing'> {
    try {
      return await this.#questions.getProgress(credentials, document, spentMs)
    } catch (error) {
      this.#asked.set(id, 'failed', { ttl: rememberedMs })
      throw error
    }
  }

  /** Stores the record unless a reader pushed meanwhile; resolves to the stored record. */
  async #keep(account: Account, document: string, found: object): Promise<Progress | undefined> {
    const { store, logger, now = Date.now } = this.#options
    const record = readForeignRecord(found, document, Math.floor(now() / 1000))
    if (!record) {
      this.#questions.warn(`has a position of ${document} that no reader could have pushed`)
      return undefined
    }
    const kept = await store.addProgress(account, record)
    logger.info({ user: account.username, document }, 'a position came from the upstream')
    return kept
  }

  /** A hash, so that the cache does not hold the key. */
  #id(...parts: string[]): string {
    return digest('sha256', this.#secret + JSON.stringify(parts))
  }
}

/** The running work for the id; otherwise starts it. */
function once<T>(running: Map<string, Promise<T>>, id: string, work: () => Promise<T>): Promise<T> {
  let result = running.get(id)
  if (!result) {
    result = work().finally(() => running.delete(id))
    running.set(id, result)
  }
  return result
}
