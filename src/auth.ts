import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import { readCredentials, type Credentials } from './credentials.ts'
import { ProtocolError } from './errors.ts'
import { isHash, logNOf } from './key-hash.ts'
import { KeyHasher, type KeyHasherOptions } from './key-hasher.ts'
import { Limits, type LimitOptions } from './limits.ts'
import type { ErrorName } from './protocol.ts'
import type { Now, Store, User } from './store/store.ts'
import type { Upstream } from './upstream.ts'
import { VerifiedKeys } from './verified-keys.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks: set by Auth.require; empty where no log-in is needed. */
    user: string
  }
}

export interface AuthOptions extends KeyHasherOptions, LimitOptions {
  /** Asked about whom the store does not know. */
  upstream?: Upstream | undefined
}

type Done = (error?: Error) => void

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
  readonly #checks = new Map<string, Promise<boolean>>()

  constructor(store: Store, logger: FastifyBaseLogger, options: AuthOptions) {
    this.#store = store
    this.#logger = logger
    this.#hasher = new KeyHasher(options)
    this.#upstream = options.upstream
    this.#limits = new Limits(options)
  }

  /** An onRequest hook: sets request.user, or ends in `unauthorized` before the body is read. @see PROTOCOL.md §2 */
  readonly require = (request: FastifyRequest, reply: FastifyReply, done: Done): void => {
    this.#authorize(request, reply, 'unauthorized', done)
  }

  /**
   * The same for DELETE /users/me, but an account that is not there is `accountNotFound`: a client whose first answer
   * was lost must see that the account is gone. Nobody is adopted for that. @see PROTOCOL.md §2
   */
  readonly requireForDeletion = (request: FastifyRequest, reply: FastifyReply, done: Done): void => {
    this.#authorize(request, reply, 'accountNotFound', done)
  }

  /** A new account for who sends the request; false when the name is taken. Throws `tooManyRequests`. */
  async register(username: string, key: string, request: FastifyRequest): Promise<boolean> {
    const takeBack = await this.#limits.countRegistration(request.ip)
    try {
      return await this.#store.createUser({ username, key: await this.#hasher.hash(key) })
    } catch (error) {
      // A full disk is not the fault of who wants an account.
      await takeBack()
      throw error
    }
  }

  /** Gives an authorized user another key; throws `unauthorized` when the account is gone meanwhile. */
  async changeKey(username: string, key: string): Promise<void> {
    const hash = await this.#hasher.hash(key)
    for (;;) {
      const user = await this.#store.getUser(username)
      if (!user) throw new ProtocolError('unauthorized')
      // Else it changed under us (the upgrade of a plain key, say): the last one wins.
      if (await this.#store.replaceKey(username, user.key, hash)) return
    }
  }

  #authorize(request: FastifyRequest, reply: FastifyReply, whenUnknown: ErrorName, done: Done): void {
    const credentials = readCredentials(request.headers)
    if (!credentials) {
      done(new ProtocolError('unauthorized'))
      return
    }
    const { username } = credentials
    const authorized = (): void => {
      request.user = username
      done()
    }
    const user = this.#store.getUser(username)
    const mac = this.#verified.mac(credentials.key)
    // The steady state needs no promise.
    if (!(user instanceof Promise) && user && this.#verified.recall(user, mac)) authorized()
    else {
      const attempt = { ...credentials, mac, address: request.ip, whenUnknown, spentMs: reply.elapsedTime }
      this.#verify(user, attempt).then(authorized, done)
    }
  }

  async #verify(found: Now<User | undefined>, attempt: Attempt): Promise<void> {
    const { username, mac, address, whenUnknown } = attempt
    const user = await found
    if (user && this.#verified.recall(user, mac)) return
    const check = `${mac} ${address} ${user?.key ?? whenUnknown} ${username}`
    let matches = this.#checks.get(check)
    if (!matches) {
      matches = this.#count(address, username, () => (user ? this.#check(user, attempt) : this.#adopt(attempt)))
      matches = matches.finally(() => this.#checks.delete(check))
      this.#checks.set(check, matches)
    }
    if (!(await matches)) throw new ProtocolError(user ? 'unauthorized' : whenUnknown)
  }

  /** Does the check unless the address had too many that failed; one that could not be made did not fail. */
  async #count(address: string, username: string, check: () => Promise<boolean>): Promise<boolean> {
    const takeBack = await this.#limits.countLogin(address, username)
    let failed = false
    try {
      const matches = await check()
      failed = !matches
      return matches
    } finally {
      if (!failed) await takeBack()
    }
  }

  async #check(user: User, { key, mac }: Attempt): Promise<boolean> {
    const recalled = this.#verified.recall(user, mac)
    // Another key was verified just now.
    if (recalled === false) await this.#hasher.pretend()
    if (recalled !== undefined) return recalled
    // A hash of another server's may be checked in no time, as a plain key is.
    if (logNOf(user.key) === 0) await this.#hasher.matchNobody(key)
    const matches = isHash(user.key) ? await this.#hasher.matches(key, user.key) : this.#verified.mac(user.key) === mac
    if (!matches || user.disabled) return false
    this.#verified.remember(user, mac)
    if (this.#hasher.isWeak(user.key)) await this.#strengthen(user, key)
    return true
  }

  /** Whether a user that the store does not know is one of the upstream, and has an account here now. */
  async #adopt(attempt: Attempt): Promise<boolean> {
    const { username, key, mac, spentMs } = attempt
    const asked = attempt.whenUnknown === 'unauthorized' ? this.#upstream?.knows({ username, key }, spentMs) : undefined
    if (!asked) {
      await this.#hasher.matchNobody(key)
      return false
    }
    // Together, so that the reader waits for the slower of them only.
    const [isKnown, hash] = await Promise.all([asked, this.#hasher.hash(key)])
    if (!isKnown) return false
    const created = await this.#store.createUser({ username, key: hash, adopted: true })
    const user = await this.#store.getUser(username)
    if (created) {
      this.#logger.info({ user: username }, 'an account came from the upstream')
      if (user?.key === hash) this.#verified.remember(user, mac)
    }
    // Else somebody else has the name since, or it is gone again.
    return user !== undefined && (await this.#check(user, attempt))
  }

  /** At a log-in, as only then is the key known: a plain one of Python kss, or a hash of less cost or of another server. @see STORAGE.md §1 */
  async #strengthen({ username, key: stored }: User, key: string): Promise<void> {
    try {
      await this.#store.replaceKey(username, stored, await this.#hasher.hash(key))
    } catch (err) {
      // A full disk must not lock the owner out; the next log-in tries again.
      this.#logger.error({ err, user: username }, 'could not replace a weak key by its hash')
    }
  }
}
