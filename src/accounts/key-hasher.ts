import { randomBytes } from 'node:crypto'
import { HashQueue, type Lane } from './hash-queue.ts'
import { hashKey, isHash, logNOf, matchesHash, matchesPlain } from './key-hash.ts'

export interface KeyHasherOptions {
  /** False keeps keys as they are, for a folder that Python kss is to read again. */
  hashKeys: boolean
  /** The binary logarithm of scrypt's N. */
  scryptCost: number
  /** Where checks and hashes wait; one of its own if left out. */
  queue?: HashQueue
}

/** The result of a check. */
export interface Checked {
  matches: boolean
  /** The credential to store from now on; undefined when the stored one is as strong as it should be. */
  stronger: string | undefined
}

/** Makes and checks stored credentials, a few at a time: a flood of log-ins must not take all processors. */
export class KeyHasher {
  readonly #options: KeyHasherOptions
  readonly #queue: HashQueue
  /** Checked for an unknown user, so that the answer takes as long as for a wrong key. */
  #nobody: Promise<string> | undefined

  constructor(options: KeyHasherOptions) {
    this.#options = options
    this.#queue = options.queue ?? new HashQueue()
  }

  /** The credential to store for a key. Rejects with `unavailable` when it has to wait for more than the milliseconds. */
  async hash(key: string, withinMs?: number): Promise<string> {
    // A plain key that looks like a hash would be taken for one.
    if (!this.#options.hashKeys && !isHash(key)) return key
    return await this.#queue.run('later', () => hashKey(key, this.#options.scryptCost), withinMs)
  }

  /**
   * Whether the key belongs to the stored credential. A stronger hash is made in the same call, since a reader would not
   * wait in the queue twice. Rejects with `unavailable` when the wait is too long.
   */
  async check(key: string, stored: string, lane: Lane, withinMs?: number): Promise<Checked> {
    const work = async (): Promise<Checked> => {
      const matches = isHash(stored) ? await matchesHash(key, stored) : matchesPlain(key, stored)
      const isWeak = this.#options.hashKeys && logNOf(stored) < this.#options.scryptCost
      // A plain key takes no time to check, and another server's hash may take less than ours: the time of the answer
      // must not tell that the user exists.
      const isOurs = logNOf(stored) > 0
      const hash = isOurs && !(matches && isWeak) ? stored : await hashKey(key, this.#options.scryptCost)
      return { matches, stronger: matches && isWeak ? hash : undefined }
    }
    return await this.#queue.run(lane, work, withinMs)
  }

  /** Takes as long as `check`, for a user who is not there. */
  async checkNobody(key: string): Promise<void> {
    await this.#queue.run('later', async () => matchesHash(key, await this.#hashOfNobody()))
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
