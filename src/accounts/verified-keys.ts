import { hash as digest, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { User } from '../store/store.ts'

/** Milliseconds for which a verified key is remembered after it was last used. */
const verifiedMs = 30 * 24 * 3600_000

/** Accounts; each takes some 300 bytes. */
const most = 100_000

interface Verified {
  /** What was stored of the key: a change of that, a hand edit too, has to be verified again. */
  stored: string
  mac: string
  /** performance.now() of the end. */
  until: number
}

/** Spares the hash of a key that was verified before: its owner is never held up, whatever strangers do. */
export class VerifiedKeys {
  readonly #secret = randomBytes(32).toString('hex')
  /** By user name: only accounts are in it, so that strangers cannot push them out. */
  readonly #verified = new LRUCache<string, Verified>({ max: most })

  /** Whether the key is one that was verified for the user. */
  has({ username, key }: User, mac: string): boolean {
    const verified = this.#verified.get(username)
    const now = performance.now()
    if (verified?.mac !== mac || verified.stored !== key || verified.until < now) return false
    verified.until = now + verifiedMs
    return true
  }

  remember({ username, key }: User, mac: string): void {
    this.#verified.set(username, { stored: key, mac, until: performance.now() + verifiedMs })
  }

  /**
   * A hash under a key of this process: what the cache holds is worth nothing elsewhere, and how long two of them take
   * to compare tells nothing of what they were made of.
   */
  mac(key: string): string {
    return digest('sha256', this.#secret + key)
  }
}
