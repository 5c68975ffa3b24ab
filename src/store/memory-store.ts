import { isRepeat, nextProgress, type Progress } from '../kosync/protocol.ts'
import { current, raise } from './account.ts'
import type { Account, Admin, NewUser, Now, Quota, Registration, Store, User } from './store.ts'

interface Kept {
  user: User
  records: Map<string, Progress>
  history: Progress[]
}

/** For tests: nothing survives the process. */
export class MemoryStore implements Store, Admin {
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

  async renameUser(username: string, to: string): Promise<'renamed' | 'absent' | 'taken'> {
    const kept = this.#accounts.get(username)
    if (!kept) return 'absent'
    if (this.#accounts.has(to)) return 'taken'
    const account = raise({ ...kept.user.account, username: to, folder: to })
    this.#accounts.delete(username)
    this.#accounts.set(to, { ...kept, user: { ...kept.user, username: to, account } })
    this.#registration.removed.push(username)
    return 'renamed'
  }

  async setDisabled(username: string, disabled: boolean): Promise<boolean> {
    const kept = this.#accounts.get(username)
    if (!kept) return false
    const { disabled: _before, ...user } = kept.user
    kept.user = disabled ? { ...user, disabled, account: raise(user.account) } : user
    return true
  }

  async setQuota(username: string, quota: Partial<Quota>): Promise<boolean> {
    const kept = this.#accounts.get(username)
    if (!kept) return false
    const { quota: _before, ...user } = kept.user
    kept.user = Object.keys(quota).length > 0 ? { ...user, quota } : user
    return true
  }

  async setInvited(username: string, isInvited: boolean): Promise<void> {
    const others = this.#registration.invited.filter((name) => name !== username)
    this.#registration.invited = isInvited ? [...others, username] : others
  }

  async allowReturn(username: string): Promise<void> {
    this.#registration.removed = this.#registration.removed.filter((name) => name !== username)
  }

  async deleteProgress(username: string, document: string): Promise<boolean> {
    const kept = this.#accounts.get(username)
    if (!kept?.records.delete(document)) return false
    kept.history = kept.history.filter((row) => row.document !== document)
    return true
  }

  async putTitle(username: string, document: string, title: string): Promise<boolean> {
    const records = this.#accounts.get(username)?.records
    const before = records?.get(document)
    if (!records || !before) return false
    const { title: _before, ...record } = before
    records.set(document, title === '' ? record : { ...record, title })
    return true
  }

  async pruneHistory(username: string, document: string, keep: number, since: number): Promise<number> {
    const kept = this.#accounts.get(username)
    if (!kept) return 0
    const rows = kept.history.filter((row) => row.document === document)
    const gone = new Set(
      rows.filter(({ timestamp }, at) => {
        const newer = rows.length - 1 - at
        return newer > 0 && (timestamp < since || newer >= keep)
      }),
    )
    kept.history = kept.history.filter((row) => !gone.has(row))
    return gone.size
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

  /** Tests set the names too. */
  async setRegistration(said: Partial<Registration>): Promise<void> {
    const { invited, removed } = this.#registration
    this.#registration = { invited, removed, ...said }
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
