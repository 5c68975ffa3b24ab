import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pLimit from 'p-limit'
import { ProtocolError } from './errors.ts'
import { hashKey, isHash, logNOf, matchesHash } from './key-hash.ts'

export interface KeyHasherOptions {
  /** False keeps keys as they are, for a folder that Python kss is to read again. */
  hashKeys: boolean
  /** The binary logarithm of scrypt's N. */
  scryptCost: number
}

/** Each takes a core and 16 MiB for some 50 ms. */
const atOnce = 2

/** More would wait longer than a reader does. */
const maxWaiting = 32

/** Seconds. */
const retryAfter = 5

/** Makes and checks what is stored of a key, a few at a time: a flood of log-ins must not take the machine. */
export class KeyHasher {
  readonly #options: KeyHasherOptions
  readonly #limit = pLimit(atOnce)
  /** Checked for an unknown user, so that the answer takes as long as for a wrong key. */
  #nobody: Promise<string> | undefined
  #lastMs = 0

  constructor(options: KeyHasherOptions) {
    this.#options = options
  }

  /** What to store of a key. Throws `unavailable` when too many wait. */
  async hash(key: string): Promise<string> {
    // A plain key that looks like a hash would be taken for one.
    if (!this.#options.hashKeys && !isHash(key)) return key
    return await this.#take(() => hashKey(key, this.#options.scryptCost))
  }

  /** Whether the key belongs to the hash; throws `unavailable` when too many wait. */
  async matches(key: string, hash: string): Promise<boolean> {
    const start = performance.now()
    const matches = await this.#take(() => matchesHash(key, hash))
    this.#lastMs = performance.now() - start
    return matches
  }

  /** As long as a check took lately, for an answer that needs none: its time must not tell that it didn't. */
  async pretend(): Promise<void> {
    await sleep(this.#lastMs)
  }

  /** Takes as long as `matches`. */
  async matchNobody(key: string): Promise<void> {
    await this.matches(key, await (this.#nobody ??= hashKey(randomBytes(16).toString('hex'), this.#options.scryptCost)))
  }

  /** Whether what is stored is weaker than what `hash` makes now. */
  isWeak(stored: string): boolean {
    return this.#options.hashKeys && logNOf(stored) < this.#options.scryptCost
  }

  #take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#limit.pendingCount >= maxWaiting) throw new ProtocolError('unavailable', retryAfter)
    return this.#limit(work)
  }
}
