import type * as Redis from '@redis/client'
import { importOptional } from '../../optional-package.ts'
import type { Script } from './scripts.ts'

/** The engine did not answer in time, or refused. `code` is `STORE_UNAVAILABLE`. */
export class StoreUnavailable extends Error {
  readonly code = 'STORE_UNAVAILABLE'
}

export interface EngineOptions {
  /** redis:// or rediss://, with a database; it may have a password. */
  url: URL
  /** Milliseconds for which a reader waits for one answer. */
  timeoutMs?: number
  /** False: gives up when the connection fails, as a command does. */
  reconnects?: boolean
}

/** A reply in RESP 2. */
export type Reply = string | number | null | Reply[]

const defaults = { timeoutMs: 1400, reconnects: true }

/** Milliseconds. */
const heartbeatMs = 1000
const reconnectMs = 200

/**
 * One connection to an engine that speaks the Redis protocol. What cannot be asked fails at once, and nothing is asked twice:
 * a push that may have been stored is never repeated. The connection is made anew for as long as the engine is away.
 */
export class Engine {
  readonly #client: ReturnType<typeof createClient>
  readonly #options: Required<EngineOptions>
  readonly #heartbeat: NodeJS.Timeout
  #tell: (failure: Error | undefined) => void = () => undefined
  /** Why the engine could not be asked last; undefined when it answered. */
  failure: StoreUnavailable | undefined = new StoreUnavailable('the store is not connected yet')

  private constructor(redis: typeof Redis, options: Required<EngineOptions>) {
    this.#options = options
    this.#client = createClient(redis, options)
    this.#client.on('error', (error: Error) => this.#failed(error))
    this.#heartbeat = setInterval(() => void this.ask(['PING']).catch(() => undefined), heartbeatMs).unref()
  }

  /** Resolves when it is connected, or has failed once. Throws MissingPackage. */
  static async open(given: EngineOptions): Promise<Engine> {
    const redis = await importOptional<typeof Redis>('@redis/client', '6', 'KSS_STORE')
    const engine = new Engine(redis, { ...defaults, ...given })
    await engine.#connect()
    return engine
  }

  async #connect(): Promise<void> {
    const failed = new Promise<void>((resolve) => this.#client.once('error', () => resolve()))
    const connected = this.#client.connect().then(
      () =>
        this.ask(['PING']).then(
          () => undefined,
          () => undefined,
        ),
      () => undefined,
    )
    await Promise.race([connected, failed])
  }

  /** Tells now, and when the engine goes away or comes back, why it cannot be asked; undefined when it can. */
  watch(tell: (failure: Error | undefined) => void): void {
    this.#tell = tell
    tell(this.failure)
  }

  /** Rejects with StoreUnavailable, whatever the reason. */
  async ask(words: string[], timeoutMs: number = this.#options.timeoutMs): Promise<Reply> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      const expire = (): void => reject(new Error(`no answer within ${timeoutMs} ms`))
      // Where this process stood still, the answer may be there: it is read first.
      timer = setTimeout(() => setImmediate(expire), timeoutMs)
    })
    const answer = Promise.race([this.#client.sendCommand<Reply>(words), late]).finally(() => clearTimeout(timer))
    try {
      const reply = await answer
      this.#answered()
      return reply
    } catch (error) {
      throw isNoScript(error) ? error : this.#failed(error as Error)
    }
  }

  /** Runs the script, which the engine may have forgotten: after a restart, say. */
  async run({ sha, text }: Script, keys: string[], args: (string | number)[], timeoutMs?: number): Promise<Reply[]> {
    const words = [`${keys.length}`, ...keys, ...args.map(String)]
    try {
      return (await this.ask(['EVALSHA', sha, ...words], timeoutMs)) as Reply[]
    } catch (error) {
      if (!isNoScript(error)) throw error
      return (await this.ask(['EVAL', text, ...words], timeoutMs)) as Reply[]
    }
  }

  close(): void {
    clearInterval(this.#heartbeat)
    if (this.#client.isOpen) this.#client.destroy()
  }

  #answered(): void {
    const wasAway = this.failure !== undefined
    this.failure = undefined
    if (wasAway) this.#tell(undefined)
  }

  #failed(cause: Error): StoreUnavailable {
    // Why it is not connected was told before.
    if (this.failure && /^The client is (closed|offline)/.test(cause.message)) return this.failure
    const failure = new StoreUnavailable(`${hostOf(this.#options.url)} ${reasonOf(cause)}`, { cause })
    const wasThere = this.failure === undefined
    this.failure = failure
    if (wasThere) this.#tell(failure)
    return failure
  }
}

function isNoScript(error: unknown): boolean {
  return (error as Error).message.startsWith('NOSCRIPT')
}

/** Without the password. */
export function hostOf({ host, pathname }: URL): string {
  return `Redis at ${host}, database ${pathname.slice(1)},`
}

const reasons: [RegExp, string][] = [
  [/^(NOAUTH|WRONGPASS|ERR AUTH)/, 'refuses the name or the password'],
  [/^READONLY/, 'is a read-only replica'],
  [/^OOM/, 'is full: its memory limit is reached'],
  [/^LOADING/, 'is loading its data'],
  [/^no answer|timeout/i, 'does not answer'],
  [/^The client is (closed|offline)|^Socket closed|ECONNREFUSED|ENOTFOUND|EAI_AGAIN/, 'cannot be reached'],
]

/** The engine's own words may quote a command, and that a key: only the first one is told. */
function reasonOf({ message }: Error): string {
  const known = reasons.find(([pattern]) => pattern.test(message))?.[1]
  return known ?? `does not answer as it should (${message.split(' ', 1)[0]})`
}

function createClient(redis: typeof Redis, { url, timeoutMs, reconnects }: Required<EngineOptions>) {
  return redis.createClient({
    url: url.href,
    // Every Redis speaks RESP 2.
    RESP: 2,
    disableClientInfo: true,
    disableOfflineQueue: true,
    commandsQueueMaxLength: 20_000,
    socket: {
      connectTimeout: timeoutMs,
      // The heartbeat keeps a healthy connection from being idle.
      socketTimeout: 3 * heartbeatMs,
      reconnectStrategy: reconnects && (() => reconnectMs + Math.random() * reconnectMs),
    },
  })
}
