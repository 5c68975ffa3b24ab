import type { FastifyBaseLogger, FastifyReply, FastifyRequest, RouteGenericInterface } from 'fastify'
import { LRUCache } from 'lru-cache'
import { readCredentials, type Credentials } from './credentials.ts'
import { ProtocolError } from './errors.ts'
import { patienceMs, type Lane } from './hash-queue.ts'
import { KeyHasher, type KeyHasherOptions } from './key-hasher.ts'
import { Limits, type LimitOptions } from './limits.ts'
import { key as keySchema, username as nameSchema, type ErrorName } from './protocol.ts'
import type { Account, Now, Store, User } from './store/store.ts'
import type { Upstream } from './upstream.ts'
import { VerifiedKeys } from './verified-keys.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The account that the credentials were verified for; null before that, and where no log-in is needed. */
    account: Account | null
  }
}

export interface AuthOptions extends KeyHasherOptions, LimitOptions {
  /** Asked about whom the store does not know. */
  upstream?: Upstream | undefined
}

/** Milliseconds for which a wrong key is known to be wrong. */
const wrongMs = 3600_000

type Done = (error?: Error) => void

/** What a request that needs a log-in gets besides: the account that it acts for. */
type Authenticated<Route extends RouteGenericInterface> = (
  account: Account,
  request: FastifyRequest<Route>,
  reply: FastifyReply,
) => unknown

/** The hook and the handler of a route that needs a log-in. */
interface AuthenticatedRoute<Route extends RouteGenericInterface> {
  onRequest: (request: FastifyRequest, reply: FastifyReply, done: Done) => void
  handler: (request: FastifyRequest<Route>, reply: FastifyReply) => unknown
}

/** A log-in that is to be checked. */
interface Attempt extends Credentials {
  mac: string
  address: string
  whenUnknown: ErrorName
  /** Milliseconds since the request came. */
  spentMs: number
}

/** Who may do what: checks credentials against the store, and makes what the store keeps of a key. */
export class Auth {
  readonly #store: Store
  readonly #logger: FastifyBaseLogger
  readonly #hasher: KeyHasher
  readonly #upstream: Upstream | undefined
  readonly #limits: Limits
  readonly #verified = new VerifiedKeys()
  readonly #checks = new Map<string, Promise<Account | undefined>>()
  /** Log-ins that failed, by a MAC of the address, the user, the key and what is stored of it. */
  readonly #wrong = new LRUCache<string, true>({ max: 20_000, ttl: wrongMs })

  constructor(store: Store, logger: FastifyBaseLogger, options: AuthOptions) {
    this.#store = store
    this.#logger = logger
    this.#hasher = new KeyHasher(options)
    this.#upstream = options.upstream
    this.#limits = new Limits(options)
  }

  /**
   * A route that needs a log-in: it ends in `whenUnknown` where there is no such account, else in `unauthorized`, before
   * the body is read. DELETE /users/me says `accountNotFound`: a client whose first answer was lost must see that the
   * account is gone. Nobody is adopted for that. @see PROTOCOL.md §2
   */
  authenticated<Route extends RouteGenericInterface>(
    act: Authenticated<Route>,
    whenUnknown: ErrorName = 'unauthorized',
  ): AuthenticatedRoute<Route> {
    return {
      onRequest: (request, reply, done) => this.#authorize(request, reply, whenUnknown, done),
      handler: (request, reply) => act(request.account!, request, reply),
    }
  }

  /** A new account for the client of the request; false when the name is taken. Throws `tooManyAttempts`. */
  async register(username: string, key: string, request: FastifyRequest): Promise<boolean> {
    // It would cost a hash for nothing.
    if (await this.#isTaken(username)) return false
    const takeBack = await this.#limits.countRegistration(request.ip)
    let isNew = false
    try {
      isNew = await this.#store.createUser({ username, key: await this.#hasher.hash(key) })
    } finally {
      // Neither a full disk nor a name that is taken is a reason to hold up the next try.
      if (!isNew) await takeBack()
    }
    return isNew
  }

  /** A name whose credential cannot be read is taken too. */
  async #isTaken(username: string): Promise<boolean> {
    try {
      return (await this.#store.getUser(username)) !== undefined
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'DAMAGED_FILE') return true
      throw error
    }
  }

  /** Counts a registration that is refused, so that nobody can guess who is invited. Throws `tooManyAttempts`. */
  async countRefusedRegistration(request: FastifyRequest): Promise<void> {
    await this.#limits.countRegistration(request.ip)
  }

  /**
   * Gives the account another key. Throws `tooManyAttempts`; rejects with StaleAccount when the account is not the one
   * that was verified any more.
   */
  async changeKey(account: Account, key: string): Promise<void> {
    await this.#limits.countKeyChange(account.id)
    await this.#store.setKey(account, await this.#hasher.hash(key))
  }

  #authorize(request: FastifyRequest, reply: FastifyReply, whenUnknown: ErrorName, done: Done): void {
    const credentials = readCredentials(request.headers)
    // What can be nobody's is looked up nowhere: it would fill the memory.
    if (
      !credentials ||
      credentials.username.length > nameSchema.maxLength ||
      credentials.key.length > keySchema.maxLength
    ) {
      const reason = credentials ? 'the name or the key is too long' : 'there is no name and key'
      done(new ProtocolError('unauthorized', undefined, reason))
      return
    }
    const authorized = (account: Account): void => {
      request.account = account
      done()
    }
    const user = this.#store.getUser(credentials.username)
    const mac = this.#verified.mac(credentials.key)
    // The steady state needs no promise.
    if (user && !(user instanceof Promise) && !user.disabled && this.#verified.has(user, mac)) {
      authorized(user.account)
    } else {
      const attempt = { ...credentials, mac, address: request.ip, whenUnknown, spentMs: reply.elapsedTime }
      this.#verify(user, attempt, request).then(authorized, done)
    }
  }

  async #verify(found: Now<User | undefined>, attempt: Attempt, request: FastifyRequest): Promise<Account> {
    const { username, mac, address, whenUnknown } = attempt
    request.note = { user: username }
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
  async #decide(user: User | undefined, attempt: Attempt, check: string): Promise<Account | undefined> {
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
  async #check(user: User, { key, mac }: Attempt, lane: Lane): Promise<Account | undefined> {
    const { matches, stronger } = await this.#hasher.check(key, user.key, lane)
    if (!matches || user.disabled) return undefined
    this.#verified.remember(user, mac)
    if (stronger !== undefined || user.unsaved) await this.#upgrade(user, stronger ?? user.key, mac)
    return user.account
  }

  /** The account that a user of the upstream, whom the store does not know, has here now. */
  async #adopt(attempt: Attempt): Promise<Account | undefined> {
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
    const hash = await this.#hasher.hash(key, patienceMs - (performance.now() - start))
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
