import type * as Redis from '@redis/client'
import { importOptional } from '../../optional-package.ts'
import type { EngineNode, NodeOptions, Reply, Words } from './engine-node.ts'
import { keysOf, keysOfCluster, parseKey, parseKeyOfCluster, type KeysOf, type ParseKey } from './keys.ts'
import { Masters, type MastersOptions } from './masters.ts'
import type { Script } from './scripts.ts'
import { StoreUnavailable } from './unavailable.ts'

export type { Reply } from './engine-node.ts'
export { hostOf } from './unavailable.ts'

export type EngineOptions = Pick<NodeOptions, 'url'> & Partial<Omit<MastersOptions, 'tell'>>

const defaults = { timeoutMs: 1400, reconnects: true, replicas: 0, cluster: [] }

/** Keys that one SCAN looks at. */
const page = '1000'

/** MOVED that one command follows. */
const mostMoves = 3

/** An engine that speaks the Redis protocol: one server, or a cluster. */
export class Engine {
  readonly #masters: Masters
  #tell: (failure: Error | undefined) => void = () => undefined
  #told: Error | undefined
  /** Why nothing may be asked. */
  #refusal: StoreUnavailable | undefined
  readonly isCluster: boolean
  readonly keysOf: KeysOf
  readonly parseKey: ParseKey

  private constructor(redis: typeof Redis, options: Omit<MastersOptions, 'tell'>) {
    this.#masters = new Masters(redis, { ...options, tell: () => this.#report() })
    this.isCluster = options.cluster.length > 0
    this.keysOf = this.isCluster ? keysOfCluster : keysOf
    this.parseKey = this.isCluster ? parseKeyOfCluster : parseKey
  }

  /** Resolves when it is connected, or has failed once. Throws MissingPackage. */
  static async open(given: EngineOptions): Promise<Engine> {
    const redis = await importOptional<typeof Redis>('@redis/client', '6', 'KSS_STORE')
    const engine = new Engine(redis, { ...defaults, ...given })
    await engine.#masters.connect()
    return engine
  }

  /** Why the engine could not be asked last; undefined when a part of it answered. */
  get failure(): StoreUnavailable | undefined {
    const nodes = this.#masters.all()
    if (this.#refusal) return this.#refusal
    return nodes.every(({ away }) => away) ? (nodes[0]?.away ?? this.#masters.lost) : undefined
  }

  /** Why not all requests can be served. */
  get #trouble(): StoreUnavailable | undefined {
    const nodes = this.#masters.all()
    return (
      this.failure ?? nodes.find(({ away }) => away)?.away ?? nodes.find(({ unconfirmed }) => unconfirmed)?.unconfirmed
    )
  }

  /** Tells now, and when something goes away or comes back, why not all requests can be served; undefined when they can. */
  watch(tell: (failure: Error | undefined) => void): void {
    this.#tell = tell
    this.#told = this.#trouble
    tell(this.#told)
  }

  /** From now on each key is refused for the reason, until it is undefined. */
  refuse(reason: StoreUnavailable | undefined): void {
    this.#refusal = reason
    this.#report()
  }

  /** As ask, whatever is refused. */
  async askAnyway(words: string[]): Promise<Reply> {
    return await this.#send(words[1]!, (node) => node.ask(words))
  }

  /** Asks who has the key, the second word. Rejects with StoreUnavailable, whatever the reason. No replica is waited for. */
  async ask(words: string[]): Promise<Reply> {
    return await this.#sendUnlessRefused(words[1]!, (node) => node.ask(words))
  }

  /** Asks all masters. */
  async askAll(words: string[]): Promise<Reply[]> {
    const nodes = this.#masters.all()
    if (nodes.length === 0) throw this.#masters.lost
    return await Promise.all(nodes.map((node) => node.ask(words)))
  }

  /** All keys that match, some of them perhaps twice. */
  async *scan(pattern: string): AsyncGenerator<string[]> {
    for (const node of this.#masters.all()) {
      let cursor = '0'
      do {
        const [next, keys] = (await node.ask(['SCAN', cursor, 'MATCH', pattern, 'COUNT', page])) as [string, string[]]
        yield keys
        cursor = next
      } while (cursor !== '0')
    }
  }

  /** Runs the script, which the engine may have forgotten: after a restart, say. All keys are those of one account. */
  async run(
    { sha, text, isUnconfirmed, isBinary }: Script,
    keys: string[],
    args: (string | number | Buffer)[],
  ): Promise<Reply[]> {
    const words = [`${keys.length}`, ...keys, ...args.map((arg) => (typeof arg === 'number' ? String(arg) : arg))]
    const send = (...command: Words): Promise<Reply> =>
      this.#sendUnlessRefused(keys[0]!, (node) => (isUnconfirmed ? node.ask(command, isBinary) : node.change(command)))
    try {
      return (await send('EVALSHA', sha, ...words)) as Reply[]
    } catch (error) {
      if (!(error as Error).message.startsWith('NOSCRIPT')) throw error
      return (await send('EVAL', text, ...words)) as Reply[]
    }
  }

  close(): void {
    this.#masters.close()
  }

  async #sendUnlessRefused(key: string, send: (node: EngineNode) => Promise<Reply>): Promise<Reply> {
    if (this.#refusal) throw this.#refusal
    return await this.#send(key, send)
  }

  /** A node that says MOVED has done nothing: the one that it names is asked. */
  async #send(key: string, send: (node: EngineNode) => Promise<Reply>, moves = 0): Promise<Reply> {
    try {
      return await send(this.#masters.of(key))
    } catch (error) {
      const [, to] = /^MOVED \d+ (\S+)$/.exec((error as Error).message) ?? []
      if (to === undefined) throw error
      if (!this.isCluster)
        throw new StoreUnavailable('This Redis is a node of a cluster: name some of them in KSS_STORE')
      if (moves === mostMoves) throw new StoreUnavailable('The nodes of the Redis cluster do not agree')
      await this.#masters.move(key, to)
      return await this.#send(key, send, moves + 1)
    }
  }

  #report(): void {
    const trouble = this.#trouble
    if (trouble?.message === this.#told?.message) return
    this.#told = trouble
    this.#tell(trouble)
  }
}
