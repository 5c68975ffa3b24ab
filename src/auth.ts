import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import { readCredentials, type Credentials } from './credentials.ts'
import { ProtocolError } from './errors.ts'
import { hashKey, isHash, matchesHash } from './key-hash.ts'
import type { Store, User } from './store/store.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks: set by Auth.require; empty where no log-in is needed. */
    user: string
  }
}

/** How many users' verified keys are remembered, and for how long. */
const verifiedUsers = 10_000
const verifiedMs = 10 * 60_000

interface Verified {
  /** The stored key it was checked against: any other one makes this worthless. */
  stored: string
  mac: Buffer
}

/** Who may do what: checks credentials against the store, and makes what the store keeps of a key. */
export class Auth {
  readonly #store: Store
  readonly #logger: FastifyBaseLogger
  readonly #secret = randomBytes(32)
  readonly #verified = new LRUCache<string, Verified>({ max: verifiedUsers, ttl: verifiedMs })
  readonly #checks = new Map<string, Promise<boolean>>()
  /** Checked for an unknown user, so that the answer takes as long as for a wrong key. */
  readonly #nobody = hashKey(randomBytes(16).toString('hex'))

  constructor(store: Store, logger: FastifyBaseLogger) {
    this.#store = store
    this.#logger = logger
  }

  /** An onRequest hook: sets request.user, or throws `unauthorized` before the body is read. @see PROTOCOL.md §2 */
  readonly require = async (request: FastifyRequest, _reply: FastifyReply): Promise<void> => {
    await this.#authorize(request, 'unauthorized')
  }

  /**
   * The same for DELETE /users/me, but an account that is not there is `accountNotFound`: a client whose first answer
   * was lost must see that the account is gone. @see PROTOCOL.md §2
   */
  readonly requireForDeletion = async (request: FastifyRequest, _reply: FastifyReply): Promise<void> => {
    await this.#authorize(request, 'accountNotFound')
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

  async #authorize(request: FastifyRequest, whenUnknown: 'unauthorized' | 'accountNotFound'): Promise<void> {
    const credentials = readCredentials(request.headers)
    if (!credentials) throw new ProtocolError('unauthorized')
    const user = await this.#store.getUser(credentials.username)
    if (!(await this.#verify(user, credentials))) throw new ProtocolError(user ? 'unauthorized' : whenUnknown)
    request.user = credentials.username
  }

  async #verify(user: User | undefined, { username, key }: Credentials): Promise<boolean> {
    const mac = createHmac('sha256', this.#secret).update(key).digest()
    const verified = this.#verified.get(username)
    if (user && verified?.stored === user.key) return timingSafeEqual(verified.mac, mac)
    const check = `${mac.toString('base64')} ${user?.key} ${username}`
    let matches = this.#checks.get(check)
    if (!matches) {
      matches = this.#check(user, key, mac).finally(() => this.#checks.delete(check))
      this.#checks.set(check, matches)
    }
    return await matches
  }

  async #check(user: User | undefined, key: string, mac: Buffer): Promise<boolean> {
    const stored = user && isHash(user.key) ? user.key : await this.#nobody
    const matches = await matchesHash(key, stored)
    if (!user) return false
    if (isHash(user.key)) {
      if (matches) this.#verified.set(user.username, { stored: user.key, mac })
      return matches
    }
    return await this.#checkPlain(user, key, mac)
  }

  /** A plain key of Python kss is replaced by its hash at the first successful log-in. @see STORAGE.md §1 */
  async #checkPlain({ username, key: stored }: User, key: string, mac: Buffer): Promise<boolean> {
    if (!timingSafeEqual(createHmac('sha256', this.#secret).update(stored).digest(), mac)) return false
    const hash = await hashKey(key)
    try {
      if (await this.#store.replaceKey(username, stored, hash)) this.#verified.set(username, { stored: hash, mac })
    } catch (err) {
      // A full disk must not lock the owner out; the next log-in tries again.
      this.#logger.error({ err, user: username }, 'could not replace a plain key by its hash')
    }
    return true
  }
}
