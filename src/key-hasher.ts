import { randomBytes } from 'node:crypto'
import { HashQueue, type Lane } from './hash-queue.ts'
import { hashKey, isHash, logNOf, matchesHash } from './key-hash.ts'

export interface KeyHasherOptions {
  /** False keeps keys as they are, for a folder that Python kss is to read again. */
  hashKeys: boolean
  /** The binary logarithm of scrypt's N. */
  scryptCost: number
}

/** Makes and checks what is stored of a key, a few at a time: a flood of log-ins must not take the machine. */
export class KeyHasher {
  readonly #options: KeyHasherOptions
  readonly #queue = new HashQueue()
  /** Checked for an unknown user, so that the answer takes as long as for a wrong key. */
  #nobody: Promise<string> | undefined

  constructor(options: KeyHasherOptions) {
    this.#options = options
  }

  /** What to store of a key. Throws `unavailable` when too many wait. */
  async hash(key: string, lane: Lane = 'later'): Promise<string> {
    // A plain key that looks like a hash would be taken for one.
    if (!this.#options.hashKeys && !isHash(key)) return key
    return await this.#queue.run(lane, () => hashKey(key, this.#options.scryptCost))
  }

  /** Whether the key belongs to the hash; throws `unavailable` when too many wait. */
  async matches(key: string, hash: string, lane: Lane): Promise<boolean> {
    return await this.#queue.run(lane, () => matchesHash(key, hash))
  }

  /** Takes as long as `matches`. */
  async matchNobody(key: string, lane: Lane): Promise<void> {
    await this.#queue.run(lane, async () => matchesHash(key, await this.#hashOfNobody()))
  }

  /** Whether what is stored is weaker than what `hash` makes now. */
  isWeak(stored: string): boolean {
    return this.#options.hashKeys && logNOf(stored) < this.#options.scryptCost
  }

  async #hashOfNobody(): Promise<string> {
    try {
      return await (this.#nobody ??= hashKey(randomBytes(16).toString('hex'), this.#options.scryptCost))
    } catch (error) {
      // Out of memory, say: the next check tries again.
      this.#nobody = undefined
      throw error
    }
  }
}
