import type * as Redis from '@redis/client'
import { Batcher } from '../../batcher.ts'
import { hostOf, NotConfirmed, reasonOf, StoreUnavailable } from './unavailable.ts'

/** A reply in RESP 2. */
export type Reply = string | Buffer | number | null | Reply[]

/** A command. */
export type Words = (string | Buffer)[]

export interface NodeOptions {
  /** A redis:// or rediss:// URL with a database, perhaps with a password. */
  url: URL
  /** The name in messages; that of `hostOf` if left out. */
  place?: string
  /** Milliseconds that a request waits for one reply. */
  timeoutMs: number
  /** Whether a failed connection is made anew; false for a command. */
  reconnects: boolean
  /** Replicas that must have a change before it is answered. */
  replicas: number
  /** Called when the node or its replicas become unavailable, or available again. */
  tell: () => void
}

type Client = ReturnType<typeof createClient>

/** Milliseconds. */
const heartbeatMs = 1000
const reconnectMs = 200

/** The share of a change's time that is for replicas. A change may first have to wait for earlier ones. */
const confirmShare = 0.4

/**
 * A server that speaks the Redis protocol. A command fails at once without a connection, and none is sent twice: a push
 * that may have been stored is never repeated. The connection is retried while the server is unavailable.
 */
export class EngineNode {
  readonly #options: NodeOptions
  #connected: Promise<void> | undefined
  readonly #client: Client
  /** Changes that replicas confirm have a connection of their own: WAIT blocks the commands behind it. */
  readonly #changer: Client
  readonly #changes = new Batcher<Words, PromiseSettledResult<Reply>>((_one, commands) => this.#confirm(commands))
  readonly #binary: Parameters<Client['sendCommand']>[1]
  readonly #heartbeat: NodeJS.Timeout
  /** Why the last command failed; undefined if it was answered. */
  away: StoreUnavailable | undefined = new StoreUnavailable('the store is not connected yet')
  /** Why the last change was not confirmed; undefined if it was. */
  unconfirmed: StoreUnavailable | undefined

  constructor(redis: typeof Redis, options: NodeOptions) {
    this.#options = options
    this.#client = createClient(redis, options)
    this.#binary = { typeMapping: { [redis.RESP_TYPES.BLOB_STRING]: Buffer } }
    this.#changer = options.replicas > 0 ? createClient(redis, options) : this.#client
    for (const client of this.#clients()) client.on('error', (error: Error) => this.#failed(error))
    this.#heartbeat = setInterval(() => void this.#beat(), heartbeatMs).unref()
  }

  get #place(): string {
    return this.#options.place ?? hostOf(this.#options.url)
  }

  get address(): string {
    return this.#options.url.host
  }

  /** Resolves when the node is connected, or the first attempt has failed. */
  connect(): Promise<void> {
    return (this.#connected ??= this.#connect())
  }

  async #connect(): Promise<void> {
    const connected = [...this.#clients()].map(async (client) => {
      const failed = new Promise<void>((resolve) => client.once('error', () => resolve()))
      const opened = client.connect().then(
        () => undefined,
        () => undefined,
      )
      await Promise.race([opened, failed])
    })
    await Promise.all(connected)
    if (this.#client.isReady) await this.#beat()
  }

  /**
   * Rejects with StoreUnavailable for any reason; with the client's error for NOSCRIPT and MOVED. `isBinary`: strings of the
   * reply are buffers.
   */
  ask(words: Words, isBinary: boolean = false): Promise<Reply> {
    return this.#inTime(this.#client.sendCommand<Reply>(words, isBinary ? this.#binary : {}))
  }

  /** As `ask`, for a change; resolves when the wanted number of replicas have it. */
  change(words: Words): Promise<Reply> {
    if (this.#options.replicas === 0) return this.ask(words)
    const confirmed = this.#changes.add('', words).then((result) => {
      if (result.status === 'rejected') throw result.reason
      return result.value
    })
    return this.#inTime(confirmed)
  }

  close(): void {
    clearInterval(this.#heartbeat)
    for (const client of this.#clients()) if (client.isOpen) client.destroy()
  }

  #clients(): Set<Client> {
    return new Set([this.#client, this.#changer])
  }

  /** Never rejects. */
  async #beat(): Promise<void> {
    const { replicas } = this.#options
    await Promise.allSettled([this.ask(['PING']), ...(replicas > 0 ? [this.change(['PING'])] : [])])
  }

  async #inTime(reply: Promise<Reply>): Promise<Reply> {
    const { timeoutMs } = this.#options
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      const expire = (): void => reject(new Error(`no answer within ${timeoutMs} ms`))
      // If this process was suspended, the reply may be there: it is read first.
      timer = setTimeout(() => setImmediate(expire), timeoutMs)
    })
    try {
      const answer = await Promise.race([reply, late]).finally(() => clearTimeout(timer))
      this.#set({ away: undefined })
      return answer
    } catch (error) {
      if (isForCaller(error)) throw error
      const failure = error as Error
      throw isOfOneKey(failure) ? this.#unavailable(failure) : this.#failed(failure)
    }
  }

  /** WAIT covers all earlier commands of its connection, so one WAIT serves the whole batch. */
  async #confirm(commands: Words[]): Promise<PromiseSettledResult<Reply>[]> {
    const { timeoutMs, replicas } = this.#options
    const replies = Promise.allSettled(commands.map((words) => this.#changer.sendCommand<Reply>(words)))
    const wait = ['WAIT', `${replicas}`, `${Math.ceil(timeoutMs * confirmShare)}`]
    const [[waited], results] = await Promise.all([
      Promise.allSettled([this.#changer.sendCommand<number>(wait)]),
      replies,
    ])
    const count = waited.status === 'fulfilled' ? waited.value : 0
    const unconfirmed =
      count < replicas
        ? new NotConfirmed(`${this.#place} has ${count} replicas in step instead of ${replicas}`)
        : undefined
    this.#set({ unconfirmed })
    if (!unconfirmed) return results
    return results.map((result) =>
      result.status === 'rejected' ? result : { status: 'rejected', reason: unconfirmed },
    )
  }

  #failed(cause: Error): StoreUnavailable {
    // The reason of the failed connection was reported before.
    if (this.away && /^The client is (closed|offline)/.test(cause.message)) return this.away
    const away = this.#unavailable(cause)
    this.#set({ away })
    return away
  }

  #unavailable(cause: Error): StoreUnavailable {
    return new StoreUnavailable(`${this.#place} ${reasonOf(cause)}`, { cause })
  }

  #set(state: Partial<Pick<EngineNode, 'away' | 'unconfirmed'>>): void {
    const { away, unconfirmed } = this
    Object.assign(this, state)
    if (!this.away !== !away || !this.unconfirmed !== !unconfirmed) this.#options.tell()
  }
}

/** Errors that are no failure of the node: the caller handles them. */
function isForCaller(error: unknown): boolean {
  return error instanceof NotConfirmed || /^(NOSCRIPT|MOVED) /.test((error as Error).message)
}

/** A key of kss that has another type: the node itself is available. */
function isOfOneKey({ message }: Error): boolean {
  return /\b(WRONGTYPE|is not an integer|not a valid float)\b/.test(message)
}

/** Supported by every Redis. */
const protocol = { RESP: 2 } as const

let newClient: ReturnType<typeof makeFactory> | undefined

/** Makes a class with a method for each command of Redis, which takes 25 ms: `redis.createClient` does so for each client. */
function makeFactory(redis: typeof Redis) {
  return redis.RedisClient.factory(protocol)
}

function createClient(redis: typeof Redis, { url, timeoutMs, reconnects }: NodeOptions) {
  newClient ??= makeFactory(redis)
  const options = {
    // The connection uses this option too.
    ...protocol,
    url: url.href,
    disableClientInfo: true,
    disableOfflineQueue: true,
    commandsQueueMaxLength: 20_000,
    socket: {
      connectTimeout: timeoutMs,
      // The heartbeat keeps a healthy connection from being idle.
      socketTimeout: 3 * heartbeatMs,
      reconnectStrategy: reconnects && (() => reconnectMs + Math.random() * reconnectMs),
    },
  }
  return newClient(options)
}
