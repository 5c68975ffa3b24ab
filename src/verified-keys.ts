import { hash as digest, randomBytes } from 'node:crypto'
import type { User } from './store/store.ts'

/** Milliseconds for which a verified key is remembered. */
const verifiedMs = 10 * 60_000

interface Verified {
  mac: string
  /** performance.now() of the end. */
  until: number
}

/** Spares the hash of a key that was verified a short while ago. */
export class VerifiedKeys {
  readonly #secret = randomBytes(32).toString('hex')
  /** As bounded as the store's own cache: a user whose file changed is another object, and has to be verified again. */
  readonly #verified = new WeakMap<User, Verified>()

  /** Whether the key is the one that was verified; undefined when none was. */
  recall(user: User, mac: string): boolean | undefined {
    const verified = this.#verified.get(user)
    if (!verified || verified.until < performance.now()) return undefined
    return verified.mac === mac
  }

  remember(user: User, mac: string): void {
    this.#verified.set(user, { mac, until: performance.now() + verifiedMs })
  }

  /**
   * A hash under a key of this process: what the cache holds is worth nothing elsewhere, and how long two of them take
   * to compare tells nothing of what they were made of.
   */
  mac(key: string): string {
    return digest('sha256', this.#secret + key)
  }
}
