import { isRepeat, nextProgress, type Progress } from '../protocol.ts'
import type { Now, Registration, Store, User } from './store.ts'

interface Account {
  user: User
  records: Map<string, Progress>
  history: Progress[]
}

/** For tests: nothing survives the process. */
export class MemoryStore implements Store {
  readonly #accounts = new Map<string, Account>()
  #registration: Registration = { invited: [] }

  getUser(username: string): Now<User | undefined> {
    return this.#accounts.get(username)?.user
  }

  async createUser(user: User): Promise<boolean> {
    if (this.#accounts.has(user.username)) return false
    this.#accounts.set(user.username, { user, records: new Map(), history: [] })
    this.#registration.invited = this.#registration.invited.filter((name) => name !== user.username)
    return true
  }

  async replaceKey(username: string, current: string, key: string): Promise<boolean> {
    const account = this.#accounts.get(username)
    if (account?.user.key !== current) return false
    const { adopted: _before, ...user } = account.user
    account.user = { ...user, key }
    return true
  }

  setDisabled(username: string, disabled: boolean): void {
    const account = this.#accounts.get(username)!
    const { disabled: _before, ...user } = account.user
    account.user = disabled ? { ...user, disabled } : user
  }

  async deleteUser(username: string): Promise<boolean> {
    return this.#accounts.delete(username)
  }

  async listUsers(): Promise<string[]> {
    return [...this.#accounts.keys()]
  }

  getRegistration(): Now<Registration> {
    return this.#registration
  }

  async setRegistration(registration: Registration): Promise<void> {
    this.#registration = registration
  }

  getProgress(username: string, document: string): Now<Progress | undefined> {
    return this.#accounts.get(username)?.records.get(document)
  }

  async putProgress(username: string, pushed: Progress): Promise<Progress | undefined> {
    const account = this.#accounts.get(username)
    if (!account) return undefined
    const previous = account.records.get(pushed.document)
    const record = nextProgress(previous, pushed)
    account.records.set(pushed.document, record)
    if (!isRepeat(previous, pushed)) account.history.push({ ...pushed, timestamp: record.timestamp })
    return record
  }

  async addProgress(username: string, record: Progress): Promise<Progress | undefined> {
    return this.#accounts.get(username)?.records.get(record.document) ?? (await this.putProgress(username, record))
  }

  async listHistory(username: string, document: string): Promise<Progress[]> {
    return (this.#accounts.get(username)?.history ?? []).filter((progress) => progress.document === document)
  }

  async close(): Promise<void> {}
}
