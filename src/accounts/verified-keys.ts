import { hash as digest, randomBytes } from 'node:crypto'
import type { User } from '../store/store.ts'

/** Milliseconds for which a verified key is remembered after it was last used. */
const verifiedMs = 30 * 24 * 3600_000

export interface VerifiedKeysOptions {
  /** Accounts; each takes some 300 bytes. */
  mostAccounts?: number
  /** MACs of keys that were just used. */
  mostMacs?: number
  /** Milliseconds after which these are forgotten. */
  macsMs?: number
}

interface Verified {
  /** What was stored of the key: a change of that, a hand edit too, has to be verified again. */
  stored: string
  mac: string
  /** performance.now() of the end. */
  until: number
}

/**
 * Spares the hash of a key that was verified before: its owner is never held up, whatever strangers do. It compares what
 * is stored of the key, never objects, so a store may give a new object each time.
 */
export class VerifiedKeys {
  readonly #options: Required<VerifiedKeysOptions>
  readonly #secret = randomBytes(32).toString('hex')
  /** By user name: only accounts are in it, so that strangers cannot push them out. The one verified first goes first. */
  readonly #verified = new Map<string, Verified>()
  /** By key: only keys that were verified. A MAC takes longer than all else that a log-in needs. */
  readonly #macs = new Map<string, string>()

  constructor(options: VerifiedKeysOptions = {}) {
    this.#options = { mostAccounts: 100_000, mostMacs: 10_000, macsMs: 60_000, ...options }
  }

  /** Whether the key is one that was verified for the user. */
  has({ username, key: stored }: User, key: string): boolean {
    const verified = this.#verified.get(username)
    if (verified?.stored !== stored) return false
    const known = this.#macs.get(key)
    const mac = known ?? this.mac(key)
    const now = performance.now()
    if (verified.mac !== mac || verified.until < now) return false
    verified.until = now + verifiedMs
    if (known === undefined) this.#keepMac(key, mac)
    return true
  }

  remember({ username, key: stored }: User, key: string): void {
    this.#verified.set(username, { stored, mac: this.mac(key), until: performance.now() + verifiedMs })
    if (this.#verified.size > this.#options.mostAccounts) dropFirst(this.#verified)
  }

  /**
   * A hash under a key of this process: what is kept of it is worth nothing elsewhere, and how long two of them take to
   * compare tells nothing of what they were made of.
   */
  mac(text: string): string {
    return digest('sha256', this.#secret + text)
  }

  #keepMac(key: string, mac: string): void {
    if (this.#macs.size === 0) setTimeout(() => this.#macs.clear(), this.#options.macsMs).unref()
    this.#macs.set(key, mac)
    if (this.#macs.size > this.#options.mostMacs) dropFirst(this.#macs)
  }
}

function dropFirst(map: Map<string, unknown>): void {
  const [first] = map.keys()
  map.delete(first!)
}
