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

/** Keys per SCAN. */
const page = '1000'

/** Redirections (MOVED) that one command follows. */
const mostMoves = 3

/** An engine that speaks the Redis protocol: one server, or a cluster. */
export class Engine {
  readonly #masters: Masters
  #tell: (failure: Error | undefined) => void = () => undefined
  #told: Error | undefined
  /** Why all keys are refused. */
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

  /** Resolves when the engine is connected, or the first attempt has failed. Throws MissingPackage. */
  static async open(given: EngineOptions): Promise<Engine> {
    const redis = await importOptional<typeof Redis>('@redis/client', '6', 'KSS_STORE')
    const engine = new Engine(redis, { ...defaults, ...given })
    await engine.#masters.connect()
    return engine
  }

  /** Why the last command failed; undefined if a node answered. */
  get failure(): StoreUnavailable | undefined {
    const nodes = this.#masters.all()
    if (this.#refusal) return this.#refusal
    return nodes.every(({ away }) => away) ? (nodes[0]?.away ?? this.#masters.lost) : undefined
  }

  /** Why some requests cannot be served. */
  get #trouble(): StoreUnavailable | undefined {
    const nodes = this.#masters.all()
    return (
      this.failure ?? nodes.find(({ away }) => away)?.away ?? nodes.find(({ unconfirmed }) => unconfirmed)?.unconfirmed
    )
  }

  /** Calls `tell` now and at each change with the reason why some requests cannot be served; undefined when all can. */
  watch(tell: (failure: Error | undefined) => void): void {
    this.#tell = tell
    this.#told = this.#trouble
    tell(this.#told)
  }

  /** Refuses all keys for the reason, until it is undefined. */
  refuse(reason: StoreUnavailable | undefined): void {
    this.#refusal = reason
    this.#report()
  }

  /** As `ask`, also while keys are refused. */
  async askAnyway(words: string[]): Promise<Reply> {
    return await this.#send(words[1]!, (node) => node.ask(words))
  }

  /** Sends the command to the node of its second word, the key. Rejects with StoreUnavailable. Waits for no replica. */
  async ask(words: string[]): Promise<Reply> {
    return await this.#sendUnlessRefused(words[1]!, (node) => node.ask(words))
  }

  /** Sends the command to all masters. */
  async askAll(words: string[]): Promise<Reply[]> {
    const nodes = this.#masters.all()
    if (nodes.length === 0) throw this.#masters.lost
    return await Promise.all(nodes.map((node) => node.ask(words)))
  }

  /** Yields all keys that match; a key may come twice. */
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

  /** Runs the script; sends its text if the engine does not have it, for example after a restart. All keys are of one account. */
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

  /** A node that replies with MOVED has done nothing: the command goes to the node that it names. */
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
