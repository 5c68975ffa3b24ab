import type { FastifyBaseLogger } from 'fastify'
import { LRUCache } from 'lru-cache'
import type { Credentials } from '../kosync/credentials.ts'
import { ProtocolError } from '../kosync/protocol-error.ts'
import { patienceMs, type Lane } from './hash-queue.ts'
import type { KeyHasher } from './key-hasher.ts'
import type { Limits } from './limits.ts'
import type { ErrorName } from '../kosync/protocol.ts'
import type { Account, Now, Store, User } from '../store/store.ts'
import type { Upstream } from '../upstream.ts'
import { VerifiedKeys } from './verified-keys.ts'

/** Milliseconds for which a wrong key is known to be wrong. */
const wrongMs = 3600_000

/** A log-in that is to be checked. */
export interface Attempt extends Credentials {
  /** The client's. */
  address: string
  /** The answer where there is no such account. */
  whenUnknown: ErrorName
  /** Milliseconds since the request came. */
  spentMs: number
}

interface Checkable extends Attempt {
  mac: string
}

export interface AuthenticatorOptions {
  store: Store
  logger: FastifyBaseLogger
  hasher: KeyHasher
  limits: Limits
  /** Asked about whom the store does not know. */
  upstream: Upstream | undefined
}

/**
 * Checks credentials against the store: a key that was verified before at once, any other one by its hash, within the
 * limits. Whom the store does not know, an upstream may know.
 */
export class Authenticator {
  readonly #store: Store
  readonly #logger: FastifyBaseLogger
  readonly #hasher: KeyHasher
  readonly #limits: Limits
  readonly #upstream: Upstream | undefined
  readonly #verified = new VerifiedKeys()
  readonly #checks = new Map<string, Promise<Account | undefined>>()
  /** Log-ins that failed, by a MAC of the address, the user, the key and what is stored of it. */
  readonly #wrong = new LRUCache<string, true>({ max: 20_000, ttl: wrongMs })

  constructor({ store, logger, hasher, limits, upstream }: AuthenticatorOptions) {
    this.#store = store
    this.#logger = logger
    this.#hasher = hasher
    this.#limits = limits
    this.#upstream = upstream
  }

  /**
   * The account of the credentials. Rejects with `unauthorized` or `whenUnknown`, with `tooManyAttempts` or `unavailable`
   * where they are not checked, or as the store does.
   */
  verify(attempt: Attempt): Now<Account> {
    const user = this.#store.getUser(attempt.username)
    const mac = this.#verified.mac(attempt.key)
    // The steady state needs no promise.
    if (user && !(user instanceof Promise) && !user.disabled && this.#verified.has(user, mac)) return user.account
    return this.#verify(user, { ...attempt, mac })
  }

  async #verify(found: Now<User | undefined>, attempt: Checkable): Promise<Account> {
    const { username, mac, address, whenUnknown } = attempt
    const user = await found
    const { key, account: { id, generation } = {}, disabled } = user ?? {}
    const check = this.#verified.mac(
      JSON.stringify([mac, address, username, key, id, generation, disabled, whenUnknown]),
    )
    let checked = this.#checks.get(check)
    if (!checked) {
      checked = this.#decide(user, attempt, check).finally(() => this.#checks.delete(check))
      this.#checks.set(check, checked)
    }
    const account = await checked
    if (!account) throw new ProtocolError(user ? 'unauthorized' : whenUnknown, undefined, reasonFor(user))
    return account
  }

  /** Undefined when the log-in fails. */
  async #decide(user: User | undefined, attempt: Checkable, check: string): Promise<Account | undefined> {
    // Looked up while another one was checked.
    if (user && !user.disabled && this.#verified.has(user, attempt.mac)) return user.account
    // A queue of pushes with an old password counts once, and costs nothing.
    if (this.#wrong.has(check)) return undefined
    const { isSuspect, end } = await this.#limits.countLogin(attempt.address, attempt.username)
    // What the upstream left undecided counts: otherwise strangers could have it asked without end.
    let failed = user === undefined && this.#upstream !== undefined
    try {
      const lane = user && !isSuspect ? 'first' : 'later'
      const account = user ? await this.#check(user, attempt, lane) : await this.#adopt(attempt)
      failed = account === undefined
      // An upstream may know the user by the next time.
      if (failed && (user || !this.#upstream)) this.#wrong.set(check, true)
      return account
    } finally {
      end(failed)
    }
  }

  /** Undefined when the key is not the account's, or the account is disabled. */
  async #check(user: User, { key, mac, spentMs }: Checkable, lane: Lane): Promise<Account | undefined> {
    const { matches, stronger } = await this.#hasher.check(key, user.key, lane, patienceMs - spentMs)
    if (!matches || user.disabled) return undefined
    this.#verified.remember(user, mac)
    if (stronger !== undefined || user.unsaved) await this.#upgrade(user, stronger ?? user.key, mac)
    return user.account
  }

  /** The account that a user of the upstream, whom the store does not know, has here now. */
  async #adopt(attempt: Checkable): Promise<Account | undefined> {
    const { username, key, mac, spentMs, whenUnknown } = attempt
    const start = performance.now() - spentMs
    const asked = whenUnknown === 'unauthorized' && (await this.#mayBeAdopted(username))
    const known = asked ? this.#upstream?.knows({ username, key }, spentMs) : undefined
    if (!known) {
      await this.#hasher.checkNobody(key)
      return undefined
    }
    // Not before: for a stranger that would be work for nothing.
    if (!(await known)) return undefined
    const left = patienceMs - (performance.now() - start)
    // A while in any case: what the upstream said need not be asked again.
    const hash = await this.#hasher.hash(key, Math.max(left, 100))
    const created = await this.#store.createUser({ username, key: hash, adopted: true })
    const user = await this.#store.getUser(username)
    // It is gone again.
    if (!user) return undefined
    // Somebody else may have the name since.
    if (!created || user.key !== hash) return await this.#check(user, attempt, 'later')
    this.#logger.info({ user: username }, 'an account came from the upstream')
    this.#verified.remember(user, mac)
    return user.account
  }

  /** Not who was removed or renamed here, nor a name that somebody is invited to. */
  async #mayBeAdopted(username: string): Promise<boolean> {
    if (!this.#upstream) return false
    const { invited, removed = [] } = await this.#store.getRegistration()
    return !invited.includes(username) && !removed.includes(username)
  }

  /** At a log-in, as only then is the key known: a plain one of Python kss, or a hash of less cost or of another server. @see STORAGE.md §1 */
  async #upgrade(user: User, stronger: string, mac: string): Promise<void> {
    try {
      await this.#store.upgradeKey(user.account, user.key, stronger)
      this.#verified.remember({ ...user, key: stronger }, mac)
    } catch (err) {
      // A full disk must not lock the owner out; the next log-in tries again.
      this.#logger.error({ err, user: user.username }, 'could not replace a weak key by its hash')
    }
  }
}

/** For the log only: a client must not be told which names there are. */
function reasonFor(user: User | undefined): string {
  if (!user) return 'no such user'
  return user.disabled ? 'the account is disabled' : 'wrong password'
}
