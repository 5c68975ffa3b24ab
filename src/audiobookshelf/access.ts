import { isRegistrationOpen } from '../accounts/registration.ts'
import type { Account, Admin, Store } from '../store/store.ts'
import type { Settings, UserKey } from './settings.ts'

export interface AccessOptions {
  store: Pick<Store, 'getRegistration'>
  admin: Pick<Admin, 'listUsers'>
  settings: () => Settings
  /** KSS_DISABLE_REGISTRATION. */
  disableRegistration: boolean
  now: () => number
}

/** Milliseconds that a refused key is not used; from then on it is tried hourly. */
const refusedMs = { first: 300_000, later: 3_600_000 }

/** Milliseconds that the answer whether there is only one account is cached: commands create accounts too. */
const believedMs = { one: 30_000, more: 600_000 }

/** The users' keys of Audiobookshelf, and which of them were refused. */
export class Access {
  readonly #options: AccessOptions
  readonly #refused = new Map<string, { times: number; until: number }>()
  #isShared: { value: boolean; until: number } | undefined

  constructor(options: AccessOptions) {
    this.#options = options
  }

  /** The user's key; undefined if there is none: then the bridge does nothing for that user. */
  async keyOf({ username }: Account): Promise<UserKey | undefined> {
    const { users, defaultKey } = this.#options.settings()
    const own = users.get(username)
    if (own !== undefined) return own || undefined
    return defaultKey && (await this.#mayUseDefault()) ? defaultKey : undefined
  }

  /** Notes that an account was created or removed. */
  forget(): void {
    this.#isShared = undefined
  }

  /** Until when the key is not used, in milliseconds since 1970. */
  refusedUntil({ apiKey }: UserKey): number {
    return this.#refused.get(apiKey)?.until ?? 0
  }

  /** Notes that Audiobookshelf refused the key. */
  refuse({ apiKey }: UserKey): void {
    const times = this.#refused.get(apiKey)?.times ?? 0
    const until = this.#options.now() + (times === 0 ? refusedMs.first : refusedMs.later)
    this.#refused.set(apiKey, { times: times + 1, until })
  }

  /** Notes that Audiobookshelf accepted the key. */
  accept({ apiKey }: UserKey): void {
    this.#refused.delete(apiKey)
  }

  /** Lets refused keys be tried again at once. */
  retry(): void {
    this.#refused.clear()
  }

  /**
   * Whether users without a key of their own get the default one. While strangers may register, only if there is a single
   * account: a stranger must not write with it.
   */
  async #mayUseDefault(): Promise<boolean> {
    const { now, store, admin, disableRegistration } = this.#options
    if (!isRegistrationOpen(await store.getRegistration(), disableRegistration, now())) return true
    if (!this.#isShared || now() >= this.#isShared.until) {
      const known = { value: false, until: now() + believedMs.one }
      this.#isShared = known
      const { users, damaged } = await admin.listUsers(undefined, 2)
      known.value = users.length + damaged.length > 1
      if (known.value) known.until = now() + believedMs.more
      // An account was created meanwhile: it may be missing in the count.
      if (this.#isShared !== known) return false
    }
    return !this.#isShared.value
  }
}
