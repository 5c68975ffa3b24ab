import type { IRateLimiterStoreOptions, RateLimiterRes, RateLimiterStoreAbstract } from 'rate-limiter-flexible'
// As in accounts/limits.ts: the package's index loads the stores for a dozen databases.
// @ts-expect-error TS7016
import storeAbstract from 'rate-limiter-flexible/lib/RateLimiterStoreAbstract.js'
// @ts-expect-error TS7016
import rateLimiterRes from 'rate-limiter-flexible/lib/RateLimiterRes.js'
import type { Engine, Reply } from './engine.ts'
import { globalKeys } from './keys.ts'
import { addPoints, readPoints } from './scripts.ts'

const Base = storeAbstract as typeof RateLimiterStoreAbstract
const Result = rateLimiterRes as typeof RateLimiterRes

/**
 * Counts on the engine, so that all processes share the counts; while the engine is unavailable, in its insurance limiter.
 * Its methods are those of a store of rate-limiter-flexible; times are milliseconds.
 */
export class EngineLimiter extends Base {
  readonly #engine: Engine

  constructor(engine: Engine, options: Omit<IRateLimiterStoreOptions, 'storeClient'>) {
    super({ ...options, keyPrefix: `${globalKeys.limit}${options.keyPrefix}`, storeClient: engine })
    this.#engine = engine
  }

  _upsert(key: string, points: number, duration: number): Promise<Reply[]> {
    return this.#engine.run(addPoints, [key], [points, duration])
  }

  async _get(key: string): Promise<Reply[] | null> {
    const found = await this.#engine.run(readPoints, [key], [])
    return found[0] === null ? null : found
  }

  _getRateLimiterRes(_key: string, added: number, [counted, left]: Reply[]): RateLimiterRes {
    const points = Number(counted)
    return new Result(Math.max(this.points - points, 0), Number(left), points, points === added)
  }
}
