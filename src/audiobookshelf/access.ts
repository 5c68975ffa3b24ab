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

/** Milliseconds for which a key that was refused is not used; then hourly. */
const refusedMs = { first: 300_000, later: 3_600_000 }

/** Milliseconds for which it is believed that there is only one account, or more: commands make accounts, too. */
const believedMs = { one: 30_000, more: 600_000 }

/** Which key of Audiobookshelf a user has, and which of them were refused. */
export class Access {
  readonly #options: AccessOptions
  readonly #refused = new Map<string, { times: number; until: number }>()
  #isShared: { value: boolean; until: number } | undefined

  constructor(options: AccessOptions) {
    this.#options = options
  }

  /** Undefined when the user has none: then nothing of Audiobookshelf is for that user. */
  async keyOf({ username }: Account): Promise<UserKey | undefined> {
    const { users, defaultKey } = this.#options.settings()
    const own = users.get(username)
    if (own !== undefined) return own || undefined
    return defaultKey && (await this.#mayUseDefault()) ? defaultKey : undefined
  }

  /** An account was made or removed. */
  forget(): void {
    this.#isShared = undefined
  }

  /** Milliseconds since 1970 until which the key is not used. */
  refusedUntil({ apiKey }: UserKey): number {
    return this.#refused.get(apiKey)?.until ?? 0
  }

  /** Audiobookshelf refused the key. */
  refuse({ apiKey }: UserKey): void {
    const times = this.#refused.get(apiKey)?.times ?? 0
    const until = this.#options.now() + (times === 0 ? refusedMs.first : refusedMs.later)
    this.#refused.set(apiKey, { times: times + 1, until })
  }

  /** Audiobookshelf took the key. */
  accept({ apiKey }: UserKey): void {
    this.#refused.delete(apiKey)
  }

  /** Keys that were refused are tried again. */
  retry(): void {
    this.#refused.clear()
  }

  /** While strangers may register, only when there is one account: a stranger must not write into it. */
  async #mayUseDefault(): Promise<boolean> {
    const { now, store, admin, disableRegistration } = this.#options
    if (!isRegistrationOpen(await store.getRegistration(), disableRegistration, now())) return true
    if (!this.#isShared || now() >= this.#isShared.until) {
      const known = { value: false, until: now() + believedMs.one }
      this.#isShared = known
      const { users, damaged } = await admin.listUsers(undefined, 2)
      known.value = users.length + damaged.length > 1
      if (known.value) known.until = now() + believedMs.more
      // An account was made meanwhile: it may not be among those.
      if (this.#isShared !== known) return false
    }
    return !this.#isShared.value
  }
}
