import { hash as digest, randomBytes } from 'node:crypto'
import type { User } from '../store/store.ts'
import { logNOf } from './key-hash.ts'

/** Milliseconds for which a verified key is remembered after it was last used. */
const verifiedMs = 30 * 24 * 3600_000

export interface VerifiedKeysOptions {
  /** Accounts; each takes some 300 bytes. */
  mostAccounts?: number
  /** MACs of keys that were just used. */
  mostMacs?: number
  /** Milliseconds after which these are forgotten. */
  macsMs?: number
  /** The verified keys that the previous process handed over. */
  kept?: KeptKeys | undefined
  /** The least binary logarithm of scrypt's N: a cheaper hash is not trusted, so that a log-in verifies and replaces it. */
  leastLogN?: number
}

/** The user name, a MAC of the stored credential, a MAC of the key, and the milliseconds for which it is remembered. */
export type KeptKey = [username: string, stored: string, mac: string, leftMs: number]

/** For the next process. Whoever reads it can try keys fast: it must never be on a disk. @see STORAGE.md §3 */
export interface KeptKeys {
  /** The secret of the MACs. */
  secret: string
  keys: KeptKey[]
}

interface Verified {
  /** The stored credential at that time. After any change of it, a hand edit included, the key is verified again. */
  stored: string
  mac: string
  /** The time, as of performance.now(), at which it is forgotten. */
  until: number
}

/**
 * Remembers verified keys, so that they need no hash: their owners never wait behind strangers' log-ins. It compares what
 * is stored of the key, never objects, so a store may give a new object each time.
 */
export class VerifiedKeys {
  readonly #options: Required<Omit<VerifiedKeysOptions, 'kept'>>
  /** Random; that of the process before, if its keys are kept. */
  readonly #secret: string
  /** By user name: only accounts are in it, so that strangers cannot push them out. The one verified first goes first. */
  readonly #verified = new Map<string, Verified>()
  /** Of the process before, until the account is looked up: `stored` is a MAC here. */
  readonly #kept = new Map<string, Verified>()
  /** By key: only keys that were verified. A MAC takes longer than all else that a log-in needs. */
  readonly #macs = new Map<string, string>()

  constructor({ kept, ...options }: VerifiedKeysOptions = {}) {
    this.#options = { mostAccounts: 100_000, mostMacs: 10_000, macsMs: 60_000, leastLogN: 0, ...options }
    this.#secret = kept?.secret ?? randomBytes(32).toString('hex')
    const now = performance.now()
    for (const [username, stored, mac, leftMs] of kept?.keys ?? []) {
      this.#kept.set(username, { stored, mac, until: now + leftMs })
    }
  }

  /** Whether the key was verified for the user, with the credential that is stored now. */
  has(user: User, key: string): boolean {
    const { username, key: stored } = user
    if (this.#kept.size > 0) this.#takeKept(user)
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
    this.#set(username, { stored, mac: this.mac(key), until: performance.now() + verifiedMs })
  }

  /** For the next process. */
  keep(): KeptKeys {
    const now = performance.now()
    const verified = Array.from(
      this.#verified,
      ([username, each]) => [username, { ...each, stored: this.mac(each.stored) }] as const,
    )
    const keys = [...this.#kept, ...verified]
      .filter(([, { until }]) => until > now)
      .map(([username, { stored, mac, until }]): KeptKey => [username, stored, mac, until - now])
    return { secret: this.#secret, keys: keys.slice(-this.#options.mostAccounts) }
  }

  /**
   * A MAC with the secret. It is useless without the secret, and the time to compare two MACs tells nothing of what they
   * were made of.
   */
  mac(text: string): string {
    return digest('sha256', this.#secret + text)
  }

  /** Takes over the account's key from the previous process, unless the credential has changed since, or must change. */
  #takeKept({ username, key: stored, unsaved }: User): void {
    const kept = this.#kept.get(username)
    if (!kept) return
    this.#kept.delete(username)
    const isFinal = !unsaved && logNOf(stored) >= this.#options.leastLogN
    if (isFinal && kept.stored === this.mac(stored)) this.#set(username, { ...kept, stored })
  }

  #set(username: string, verified: Verified): void {
    this.#verified.set(username, verified)
    if (this.#verified.size > this.#options.mostAccounts) dropFirst(this.#verified)
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
