import type * as Redis from '@redis/client'
import { importOptional } from '../../optional-package.ts'
import { EngineNode, isNoScript, type NodeOptions, type Reply, type StoreUnavailable } from './engine-node.ts'
import type { Script } from './scripts.ts'

export { hostOf, type Reply } from './engine-node.ts'

export type EngineOptions = Pick<NodeOptions, 'url'> & Partial<Omit<NodeOptions, 'tell'>>

const defaults = { timeoutMs: 1400, reconnects: true, replicas: 0 }

/** An engine that speaks the Redis protocol. */
export class Engine {
  readonly #node: EngineNode
  #tell: (failure: Error | undefined) => void = () => undefined

  private constructor(redis: typeof Redis, options: Omit<NodeOptions, 'tell'>) {
    this.#node = new EngineNode(redis, { ...options, tell: () => this.#tell(this.#trouble) })
  }

  /** Resolves when it is connected, or has failed once. Throws MissingPackage. */
  static async open(given: EngineOptions): Promise<Engine> {
    const redis = await importOptional<typeof Redis>('@redis/client', '6', 'KSS_STORE')
    const engine = new Engine(redis, { ...defaults, ...given })
    await engine.#node.connect()
    return engine
  }

  /** Why the engine could not be asked last; undefined when it answered. */
  get failure(): StoreUnavailable | undefined {
    return this.#node.away
  }

  /** Why not all requests can be served. */
  get #trouble(): StoreUnavailable | undefined {
    return this.#node.away ?? this.#node.unconfirmed
  }

  /** Tells now, and when something goes away or comes back, why not all requests can be served; undefined when they can. */
  watch(tell: (failure: Error | undefined) => void): void {
    this.#tell = tell
    tell(this.#trouble)
  }

  /** Rejects with StoreUnavailable, whatever the reason. No replica is waited for. */
  async ask(words: string[]): Promise<Reply> {
    return await this.#node.ask(words)
  }

  /** Runs the script, which the engine may have forgotten: after a restart, say. */
  async run({ sha, text, isUnconfirmed }: Script, keys: string[], args: (string | number)[]): Promise<Reply[]> {
    const words = [`${keys.length}`, ...keys, ...args.map(String)]
    const send = async (...command: string[]): Promise<Reply> =>
      isUnconfirmed ? await this.#node.ask(command) : await this.#node.change(command)
    try {
      return (await send('EVALSHA', sha, ...words)) as Reply[]
    } catch (error) {
      if (!isNoScript(error)) throw error
      return (await send('EVAL', text, ...words)) as Reply[]
    }
  }

  close(): void {
    this.#node.close()
  }
}
