import { isRepeat, nextProgress, type Progress } from '../kosync/protocol.ts'
import { current, raise } from './account.ts'
import type { Account, NewUser, Now, Registration, Store, User } from './store.ts'

interface Kept {
  user: User
  records: Map<string, Progress>
  history: Progress[]
}

/** For tests: nothing survives the process. */
export class MemoryStore implements Store {
  readonly #accounts = new Map<string, Kept>()
  #created = 0
  #registration: Required<Pick<Registration, 'invited' | 'removed'>> & Registration = { invited: [], removed: [] }

  getUser(username: string): Now<User | undefined> {
    return this.#accounts.get(username)?.user
  }

  async createUser(created: NewUser): Promise<boolean> {
    const { username } = created
    if (this.#accounts.has(username)) return false
    this.#created += 1
    const account = Object.freeze({ username, folder: username, id: `${this.#created}`, generation: 1 })
    this.#accounts.set(username, { user: { ...created, account }, records: new Map(), history: [] })
    const { invited, removed } = this.#registration
    this.#registration.invited = invited.filter((name) => name !== username)
    this.#registration.removed = removed.filter((name) => name !== username)
    return true
  }

  async setKey(account: Account, key: string): Promise<void> {
    const kept = this.#kept(account)
    const { adopted: _ofTheKey, ...user } = kept.user
    kept.user = { ...user, key, account: raise(account) }
  }

  async upgradeKey(account: Account, before: string, key: string): Promise<void> {
    const kept = this.#kept(account)
    if (kept.user.key === before) kept.user = { ...kept.user, key }
  }

  setDisabled(username: string, disabled: boolean): void {
    const kept = this.#accounts.get(username)!
    const { disabled: _before, ...user } = kept.user
    kept.user = disabled ? { ...user, disabled, account: raise(user.account) } : user
  }

  async deleteUser(account: Account): Promise<void> {
    this.#kept(account)
    this.#accounts.delete(account.username)
    this.#registration.removed.push(account.username)
  }

  async listUsers(): Promise<string[]> {
    return [...this.#accounts.keys()]
  }

  getRegistration(): Now<Registration> {
    return this.#registration
  }

  async setRegistration(registration: Registration): Promise<void> {
    this.#registration = { removed: [], ...registration }
  }

  getProgress(account: Account, document: string): Now<Progress | undefined> {
    return this.#kept(account).records.get(document)
  }

  async putProgress(account: Account, pushed: Progress): Promise<Progress> {
    const { records, history } = this.#kept(account)
    const previous = records.get(pushed.document)
    const record = nextProgress(previous, pushed)
    records.set(pushed.document, record)
    if (!isRepeat(previous, pushed)) history.push({ ...pushed, timestamp: record.timestamp })
    return record
  }

  async addProgress(account: Account, record: Progress): Promise<Progress> {
    return this.#kept(account).records.get(record.document) ?? (await this.putProgress(account, record))
  }

  async listHistory(account: Account, document: string): Promise<Progress[]> {
    return this.#kept(account).history.filter((progress) => progress.document === document)
  }

  async close(): Promise<void> {}

  /** Throws StaleAccount. */
  #kept(account: Account): Kept {
    const kept = this.#accounts.get(account.username)
    current(kept?.user, account)
    return kept!
  }
}
