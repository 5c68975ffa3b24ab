import { hash as digest, randomBytes } from 'node:crypto'
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import { readCredentials, type Credentials } from './credentials.ts'
import { ProtocolError } from './errors.ts'
import { isHash, logNOf } from './key-hash.ts'
import { KeyHasher, type KeyHasherOptions } from './key-hasher.ts'
import { Limits, type LimitOptions } from './limits.ts'
import type { ErrorName } from './protocol.ts'
import type { Now, Store, User } from './store/store.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks: set by Auth.require; empty where no log-in is needed. */
    user: string
  }
}

/** Milliseconds for which a verified key is remembered. */
const verifiedMs = 10 * 60_000

export type AuthOptions = KeyHasherOptions & LimitOptions

type Done = (error?: Error) => void

interface Verified {
  mac: string
  /** performance.now() of the end. */
  until: number
}

/** Who may do what: checks credentials against the store, and makes what the store keeps of a key. */
export class Auth {
  readonly #store: Store
  readonly #logger: FastifyBaseLogger
  readonly #hasher: KeyHasher
  readonly #limits: Limits
  readonly #secret = randomBytes(32).toString('hex')
  /** As bounded as the store's own cache: a user whose file changed is another object, and has to be verified again. */
  readonly #verified = new WeakMap<User, Verified>()
  readonly #checks = new Map<string, Promise<boolean>>()

  constructor(store: Store, logger: FastifyBaseLogger, options: AuthOptions) {
    this.#store = store
    this.#logger = logger
    this.#hasher = new KeyHasher(options)
    this.#limits = new Limits(options)
  }

  /** An onRequest hook: sets request.user, or ends in `unauthorized` before the body is read. @see PROTOCOL.md §2 */
  readonly require = (request: FastifyRequest, _reply: FastifyReply, done: Done): void => {
    this.#authorize(request, 'unauthorized', done)
  }

  /**
   * The same for DELETE /users/me, but an account that is not there is `accountNotFound`: a client whose first answer
   * was lost must see that the account is gone. @see PROTOCOL.md §2
   */
  readonly requireForDeletion = (request: FastifyRequest, _reply: FastifyReply, done: Done): void => {
    this.#authorize(request, 'accountNotFound', done)
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

  #authorize(request: FastifyRequest, whenUnknown: ErrorName, done: Done): void {
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
    const mac = this.#mac(credentials.key)
    // The steady state needs no promise.
    if (!(user instanceof Promise) && user && this.#recall(user, mac)) authorized()
    else this.#verify(user, credentials, { mac, address: request.ip, whenUnknown }).then(authorized, done)
  }

  /** Whether the key is the one that was verified; undefined when none was. */
  #recall(user: User, mac: string): boolean | undefined {
    const verified = this.#verified.get(user)
    if (!verified || verified.until < performance.now()) return undefined
    return verified.mac === mac
  }

  async #verify(
    found: Now<User | undefined>,
    credentials: Credentials,
    { mac, address, whenUnknown }: { mac: string; address: string; whenUnknown: ErrorName },
  ): Promise<void> {
    const user = await found
    if (user && this.#recall(user, mac)) return
    const check = `${mac} ${address} ${user?.key} ${credentials.username}`
    let matches = this.#checks.get(check)
    if (!matches) {
      matches = this.#count(address, credentials, () => this.#check(user, credentials.key, mac))
      matches = matches.finally(() => this.#checks.delete(check))
      this.#checks.set(check, matches)
    }
    if (!(await matches)) throw new ProtocolError(user ? 'unauthorized' : whenUnknown)
  }

  /** Does the check unless the address had too many that failed; one that could not be made did not fail. */
  async #count(address: string, { username }: Credentials, check: () => Promise<boolean>): Promise<boolean> {
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

  async #check(user: User | undefined, key: string, mac: string): Promise<boolean> {
    if (user && this.#recall(user, mac) === false) {
      // Another key was verified just now.
      await this.#hasher.pretend()
      return false
    }
    // A hash of another server's may be checked in no time, as a plain key is.
    if (!user || logNOf(user.key) === 0) await this.#hasher.matchNobody(key)
    if (!user) return false
    const matches = isHash(user.key) ? await this.#hasher.matches(key, user.key) : this.#mac(user.key) === mac
    if (!matches || user.disabled) return false
    this.#verified.set(user, { mac, until: performance.now() + verifiedMs })
    if (this.#hasher.isWeak(user.key)) await this.#strengthen(user, key)
    return true
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

  /**
   * A hash under a key of this process: what the cache holds is worth nothing elsewhere, and how long two of them take
   * to compare tells nothing of what they were made of.
   */
  #mac(key: string): string {
    return digest('sha256', this.#secret + key)
  }
}
