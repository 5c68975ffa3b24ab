import type { FastifyBaseLogger } from 'fastify'
import { LRUCache } from 'lru-cache'
import type { Credentials } from '../kosync/credentials.ts'
import { ProtocolError } from '../kosync/protocol-error.ts'
import { patienceMs, type Lane } from './hash-queue.ts'
import type { KeyHasher } from './key-hasher.ts'
import type { Limits } from './limits.ts'
import type { ErrorName } from '../kosync/protocol.ts'
import type { Account, Now, Store, User } from '../store/store.ts'
import { VerifiedKeys } from './verified-keys.ts'

/** Milliseconds for which a wrong key is known to be wrong. */
const wrongMs = 3600_000

/** Where credentials come from. */
export interface Client {
  readonly ip: string
}

/** A log-in that is to be checked. */
interface Attempt extends Credentials {
  /** The client's. */
  address: string
  /** The answer where there is no such account. */
  whenUnknown: ErrorName
  /** performance.now() when it came. */
  since: number
}

/**
 * Makes an account for a user name that the store does not have. Resolves to the user, and whether the credentials are
 * known to be right; or to the reason why no account was made. `spentMs` is how long the reader has waited, `hash` makes
 * the credential to store.
 */
export type Adopt = (
  credentials: Credentials,
  spentMs: () => number,
  hash: () => Promise<string>,
) => Promise<{ user: User; isVerified: boolean } | 'refused' | 'notAsked'>

export interface AuthenticatorOptions {
  store: Store
  logger: FastifyBaseLogger
  hasher: KeyHasher
  limits: Limits
  /** Called for user names that the store does not have. */
  adopt: Adopt | undefined
  /** Keys that count as verified already. */
  verified?: VerifiedKeys | undefined
}

/**
 * Checks credentials against the store: a key that was verified before at once, any other key by its hash, within the
 * limits. A user name that the store does not have may be adopted.
 */
export class Authenticator {
  readonly #store: Store
  readonly #logger: FastifyBaseLogger
  readonly #hasher: KeyHasher
  readonly #limits: Limits
  readonly #adopt: Adopt | undefined
  readonly #verified: VerifiedKeys
  readonly #checks = new Map<string, Promise<Account | undefined>>()
  /** Log-ins that failed, by a MAC of the address, the user, the key and the stored credential. */
  readonly #wrong = new LRUCache<string, true>({ maxSize: 20_000, sizeCalculation: () => 1, ttl: wrongMs })

  constructor({ store, logger, hasher, limits, adopt, verified = new VerifiedKeys() }: AuthenticatorOptions) {
    this.#store = store
    this.#logger = logger
    this.#hasher = hasher
    this.#limits = limits
    this.#adopt = adopt
    this.#verified = verified
  }

  /**
   * The account of the credentials, which came from the client. Rejects with `unauthorized` or `whenUnknown`, with
   * `tooManyAttempts` or `unavailable` where they are not checked, or as the store does.
   */
  verify(credentials: Credentials, client: Client, whenUnknown: ErrorName): Now<Account> {
    const { username, key } = credentials
    const user = this.#store.getUser(username)
    // The steady state needs no promise.
    if (user && !(user instanceof Promise) && !user.disabled && this.#verified.has(user, key)) return user.account
    return this.#verify(user, { username, key, address: client.ip, whenUnknown, since: performance.now() })
  }

  async #verify(found: Now<User | undefined>, attempt: Attempt): Promise<Account> {
    const { username, key: given, address, whenUnknown } = attempt
    const user = await found
    const { key, account: { id, generation } = {}, disabled } = user ?? {}
    const check = this.#verified.mac(
      JSON.stringify([given, address, username, key, id, generation, disabled, whenUnknown]),
    )
    let checked = this.#checks.get(check)
    if (!checked) {
      checked = this.#decide(user, attempt, check).finally(() => this.#checks.delete(check))
      this.#checks.set(check, checked)
    }
    const account = await checked
    if (!account) throw refusal(user, whenUnknown)
    return account
  }

  /** Undefined when the log-in fails. */
  async #decide(user: User | undefined, attempt: Attempt, check: string): Promise<Account | undefined> {
    // Another request with this key may have been verified between the first look and here.
    if (user && !user.disabled && this.#verified.has(user, attempt.key)) return user.account
    // A queue of pushes with an old password counts once, and costs nothing.
    if (this.#wrong.has(check)) return undefined
    const { isSuspect, end } = await this.#limits.countLogin(attempt.address, attempt.username)
    // What an adoption left undecided counts: otherwise strangers could have an upstream asked without end.
    let failed = user === undefined && this.#adopt !== undefined
    try {
      const lane = user && !isSuspect ? 'first' : 'later'
      // The upstream accepted the key, so it is right, even if the account cannot be made.
      const onVouched = (): unknown => (failed = false)
      const account = user ? await this.#check(user, attempt, lane) : await this.#checkUnknown(attempt, onVouched)
      failed = account === undefined
      // The user may be adopted the next time.
      if (failed && (user || !this.#adopt)) this.#wrong.set(check, true)
      return account
    } finally {
      end(failed)
    }
  }

  /** Undefined when the key is not the account's, or the account is disabled. */
  async #check(user: User, { key, since }: Attempt, lane: Lane): Promise<Account | undefined> {
    const { matches, stronger } = await this.#hasher.check(key, user.key, lane, left(since))
    if (!matches || user.disabled) return undefined
    this.#verified.remember(user, key)
    if (stronger !== undefined || user.unsaved) await this.#upgrade(user, stronger ?? user.key, key)
    return user.account
  }

  /** The account of a user who was adopted by this log-in; undefined for all others. DELETE /users/me adopts nobody. */
  async #checkUnknown(attempt: Attempt, onVouched: () => void): Promise<Account | undefined> {
    const { username, key, since, whenUnknown } = attempt
    const hash = (): Promise<string> => {
      onVouched()
      // At least 100 ms: otherwise the upstream's answer would be lost, and it would be asked again.
      return this.#hasher.hash(key, Math.max(left(since), 100))
    }
    const spentMs = (): number => performance.now() - since
    const adopted =
      whenUnknown === 'unauthorized' && this.#adopt ? await this.#adopt({ username, key }, spentMs, hash) : 'notAsked'
    if (adopted === 'notAsked') await this.#hasher.checkNobody(key)
    if (typeof adopted === 'string') return undefined
    if (!adopted.isVerified) return await this.#check(adopted.user, attempt, 'later')
    this.#verified.remember(adopted.user, key)
    return adopted.user.account
  }

  /** At a log-in, as only then is the key known: a plain one of Python kss, or a hash of less cost or of another server. @see STORAGE.md §1 */
  async #upgrade(user: User, stronger: string, given: string): Promise<void> {
    try {
      await this.#store.upgradeKey(user.account, user.key, stronger)
      const stored = await this.#store.getUser(user.username)
      // A store that cannot write now keeps the old credential, for which the key is already remembered.
      if (stored?.key === stronger) this.#verified.remember(stored, given)
    } catch (err) {
      // A full disk must not lock the owner out. The next check of the key tries again.
      this.#logger.error({ err, user: user.username }, 'could not replace a weak key by its hash')
    }
  }
}

/** Milliseconds that a check may wait. */
function left(since: number): number {
  return patienceMs - (performance.now() - since)
}

/** As the reason of a refusal, which is for the log only: a client must not be told which names there are. */
export const isDisabled = 'the account is disabled'

function refusal(user: User | undefined, whenUnknown: ErrorName): ProtocolError {
  if (!user) return new ProtocolError(whenUnknown, undefined, 'no such user')
  return new ProtocolError('unauthorized', undefined, user.disabled ? isDisabled : 'wrong password', user.account)
}
