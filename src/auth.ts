import { hash as digest, randomBytes } from 'node:crypto'
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import { readCredentials, type Credentials } from './credentials.ts'
import { ProtocolError } from './errors.ts'
import { hashKey, isHash, matchesHash } from './key-hash.ts'
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
  readonly #secret = randomBytes(32).toString('hex')
  /** As bounded as the store's own cache: a user whose file changed is another object, and has to be verified again. */
  readonly #verified = new WeakMap<User, Verified>()
  readonly #checks = new Map<string, Promise<boolean>>()
  /** Checked for an unknown user, so that the answer takes as long as for a wrong key. */
  #nobody: Promise<string> | undefined

  constructor(store: Store, logger: FastifyBaseLogger) {
    this.#store = store
    this.#logger = logger
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

  /** What the store keeps of a key. */
  hash(key: string): Promise<string> {
    return hashKey(key)
  }

  /** Gives an authorized user another key; throws `unauthorized` when the account is gone meanwhile. */
  async changeKey(username: string, key: string): Promise<void> {
    const hash = await hashKey(key)
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
    else this.#verify(user, credentials, mac, whenUnknown).then(authorized, done)
  }

  /** Whether the key is the one that was verified; undefined when none was. */
  #recall(user: User, mac: string): boolean | undefined {
    const verified = this.#verified.get(user)
    if (!verified || verified.until < performance.now()) return undefined
    return verified.mac === mac
  }

  async #verify(
    found: Now<User | undefined>,
    { username, key }: Credentials,
    mac: string,
    whenUnknown: ErrorName,
  ): Promise<void> {
    const user = await found
    const known = user && this.#recall(user, mac)
    if (known === true) return
    if (known === false) throw new ProtocolError('unauthorized')
    const check = `${mac} ${user?.key} ${username}`
    let matches = this.#checks.get(check)
    if (!matches) {
      matches = this.#check(user, key, mac).finally(() => this.#checks.delete(check))
      this.#checks.set(check, matches)
    }
    if (!(await matches)) throw new ProtocolError(user ? 'unauthorized' : whenUnknown)
  }

  async #check(user: User | undefined, key: string, mac: string): Promise<boolean> {
    const stored =
      user && isHash(user.key) ? user.key : await (this.#nobody ??= hashKey(randomBytes(16).toString('hex')))
    const matches = await matchesHash(key, stored)
    if (!user) return false
    if (isHash(user.key)) {
      if (matches) this.#verified.set(user, { mac, until: performance.now() + verifiedMs })
      return matches
    }
    return await this.#checkPlain(user, key, mac)
  }

  /** A plain key of Python kss is replaced by its hash at the first successful log-in. @see STORAGE.md §1 */
  async #checkPlain({ username, key: stored }: User, key: string, mac: string): Promise<boolean> {
    if (this.#mac(stored) !== mac) return false
    const hash = await hashKey(key)
    try {
      await this.#store.replaceKey(username, stored, hash)
    } catch (err) {
      // A full disk must not lock the owner out; the next log-in tries again.
      this.#logger.error({ err, user: username }, 'could not replace a plain key by its hash')
    }
    return true
  }

  /**
   * A hash under a key of this process: what the cache holds is worth nothing elsewhere, and how long two of them take
   * to compare tells nothing of what they were made of.
   */
  #mac(key: string): string {
    return digest('sha256', this.#secret + key)
  }
}
