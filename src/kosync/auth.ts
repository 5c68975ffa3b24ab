import type { FastifyBaseLogger, FastifyReply, FastifyRequest, RouteGenericInterface } from 'fastify'
import { Authenticator, type Adopt } from '../accounts/authenticator.ts'
import { readCredentials } from './credentials.ts'
import { ProtocolError } from './protocol-error.ts'
import { KeyHasher, type KeyHasherOptions } from '../accounts/key-hasher.ts'
import { Limits, type LimitOptions } from '../accounts/limits.ts'
import type { VerifiedKeys } from '../accounts/verified-keys.ts'
import { key as keySchema, username as nameSchema, type ErrorName } from './protocol.ts'
import type { Account, Store } from '../store/store.ts'

export interface AuthOptions extends KeyHasherOptions, LimitOptions {}

/** Told of each request whose credentials are right, before its body is read. */
export type OnAuthorized = (request: FastifyRequest, reply: FastifyReply) => void

/** What Auth is made of. */
export interface AuthParts {
  store: Store
  logger: FastifyBaseLogger
  auth: AuthOptions
  adopt?: Adopt | undefined
  onAuthorized?: OnAuthorized
  verified?: VerifiedKeys | undefined
}

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

/** Who may do what: checks credentials against the store, and makes what the store keeps of a key. */
export class Auth {
  readonly #store: Store
  readonly #hasher: KeyHasher
  readonly #limits: Limits
  readonly #authenticator: Authenticator
  readonly #onAuthorized: OnAuthorized | undefined

  constructor({ store, logger, auth, adopt, onAuthorized, verified }: AuthParts) {
    this.#store = store
    this.#hasher = new KeyHasher(auth)
    this.#limits = new Limits(auth)
    const [hasher, limits] = [this.#hasher, this.#limits]
    this.#authenticator = new Authenticator({ store, logger, hasher, limits, adopt, verified })
    this.#onAuthorized = onAuthorized
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
    const verified = this.#authenticator.verify(credentials, request, whenUnknown)
    if (verified instanceof Promise) {
      request.note = { user: credentials.username }
      request.checkedSince = performance.now()
      verified.then((account) => this.#goOn(account, request, reply, done), done)
    } else this.#goOn(verified, request, reply, done)
  }

  #goOn(account: Account, request: FastifyRequest, reply: FastifyReply, done: Done): void {
    request.account = account
    this.#onAuthorized?.(request, reply)
    done()
  }
}
