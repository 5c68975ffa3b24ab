import type { FastifyBaseLogger } from 'fastify'
import { Authenticator, type Adopt, type Client } from './authenticator.ts'
import { KeyHasher, type KeyHasherOptions } from './key-hasher.ts'
import { Limits, type LimitOptions } from './limits.ts'
import { isRegistrationOpen } from './registration.ts'
import type { VerifiedKeys } from './verified-keys.ts'
import type { Credentials } from '../kosync/credentials.ts'
import { ProtocolError } from '../kosync/protocol-error.ts'
import type { ErrorName } from '../kosync/protocol.ts'
import type { Account, Now, Registration, Store } from '../store/store.ts'

export interface AuthOptions extends KeyHasherOptions, LimitOptions {}

export interface AccountsOptions {
  store: Store
  logger: FastifyBaseLogger
  auth: AuthOptions
  /** KSS_DISABLE_REGISTRATION. */
  disableRegistration: boolean
  adopt?: Adopt | undefined
  verified?: VerifiedKeys | undefined
  /** Milliseconds since 1970. */
  now: () => number
}

/** Log-ins, registrations and changes of passwords. The wire and the console share the limits and the hash queue. */
export class Accounts {
  readonly #store: Store
  readonly #hasher: KeyHasher
  readonly #limits: Limits
  readonly #authenticator: Authenticator
  readonly #isOpen: (said: Registration) => boolean

  constructor({ store, logger, auth, disableRegistration, adopt, verified, now }: AccountsOptions) {
    this.#store = store
    this.#hasher = new KeyHasher(auth)
    this.#limits = new Limits(auth)
    const [hasher, limits] = [this.#hasher, this.#limits]
    this.#authenticator = new Authenticator({ store, logger, hasher, limits, adopt, verified })
    this.#isOpen = (said) => isRegistrationOpen(said, disableRegistration, now())
  }

  /** The account of the credentials, as Authenticator.verify. */
  verify(credentials: Credentials, client: Client, whenUnknown: ErrorName = 'unauthorized'): Now<Account> {
    return this.#authenticator.verify(credentials, client, whenUnknown)
  }

  /** Who may sign up: anybody, only those who are invited, or nobody. */
  async registration(): Promise<'open' | 'invited' | 'closed'> {
    const said = await this.#store.getRegistration()
    if (this.#isOpen(said)) return 'open'
    return said.invited.length > 0 ? 'invited' : 'closed'
  }

  /**
   * A new account for the client, if it may have one. Throws `registrationDisabled`, `userExists` or `tooManyAttempts`.
   * A refused registration counts too, so that nobody can try out names to find the invited ones.
   */
  async register({ username, key }: Credentials, client: Client): Promise<void> {
    const said = await this.#store.getRegistration()
    if (!this.#isOpen(said) && !said.invited.includes(username)) {
      await this.#limits.countRegistration(client.ip)
      throw new ProtocolError('registrationDisabled')
    }
    if (!(await this.#create(username, key, client))) throw new ProtocolError('userExists')
  }

  /** False when the name is taken. */
  async #create(username: string, key: string, client: Client): Promise<boolean> {
    // It would cost a hash for nothing.
    if (await this.#isTaken(username)) return false
    const takeBack = await this.#limits.countRegistration(client.ip)
    let isNew = false
    try {
      isNew = await this.#store.createUser({ username, key: await this.#hasher.hash(key) })
    } finally {
      // Neither a full disk nor a name that is taken is a reason to hold up the next try.
      if (!isNew) await takeBack()
    }
    return isNew
  }

  /** Whether an account has the name, also one whose credential cannot be read. */
  async #isTaken(username: string): Promise<boolean> {
    try {
      return (await this.#store.getUser(username)) !== undefined
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'DAMAGED_FILE') return true
      throw error
    }
  }

  /** A new account, also while registration is closed. False when the name is taken. */
  async add({ username, key }: Credentials): Promise<boolean> {
    if (await this.#isTaken(username)) return false
    return await this.#store.createUser({ username, key: await this.#hasher.hash(key) })
  }

  /** Whether a secret other than a key is right; a wrong one counts as a failed log-in. Throws as `verify` does. */
  async checkSecret(name: string, client: Client, isRight: () => boolean): Promise<boolean> {
    // No user has such a name.
    const { end } = await this.#limits.countLogin(client.ip, `:${name}`)
    const right = isRight()
    end(!right)
    return right
  }

  /** Gives the account a key that an operator chose. */
  async replaceKey(account: Account, key: string): Promise<void> {
    await this.#store.setKey(account, await this.#hasher.hash(key))
  }

  /**
   * Gives the account another key. Throws `tooManyAttempts`; rejects with StaleAccount when the account is not the one
   * that was verified any more.
   */
  async changeKey(account: Account, key: string): Promise<void> {
    await this.#limits.countKeyChange(account.id)
    await this.replaceKey(account, key)
  }
}
