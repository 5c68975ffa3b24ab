import { isRepeat, nextProgress, type Progress } from '../kosync/protocol.ts'
import { addDocument } from './add-document.ts'
import { current, raise, StaleAccount } from './account.ts'
import type { Finding } from './finding.ts'
import type {
  Account,
  AccountPage,
  AccountSummary,
  Admin,
  DocumentPage,
  ExportPage,
  Merged,
  MergedDocument,
  NewUser,
  Now,
  Quota,
  Registration,
  Store,
  User,
  UserPage,
} from './store.ts'

interface Next {
  next: string
}

interface Kept {
  user: User
  records: Map<string, Progress>
  history: Progress[]
}

/** For tests: nothing survives the process. */
export class MemoryStore implements Store, Admin {
  readonly #accounts = new Map<string, Kept>()
  readonly admin: Admin = this
  #created = 0
  #registration: Required<Pick<Registration, 'invited' | 'removed'>> & Registration = { invited: [], removed: [] }

  getUser(username: string): Now<User | undefined> {
    return this.#accounts.get(username)?.user
  }

  async createUser({ username, key, disabled, adopted }: NewUser): Promise<boolean> {
    const created = { username, key, ...(disabled && { disabled }), ...(adopted && { adopted }) }
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

  async renameUser(account: Account, to: string): Promise<boolean> {
    const kept = this.#kept(account)
    if (this.#accounts.has(to)) return false
    const renamed = raise({ ...kept.user.account, username: to, folder: to })
    this.#accounts.delete(account.username)
    this.#accounts.set(to, { ...kept, user: { ...kept.user, username: to, account: renamed } })
    this.#registration.removed.push(account.username)
    return true
  }

  async setDisabled(account: Account, disabled: boolean): Promise<void> {
    const kept = this.#kept(account)
    const { disabled: _before, ...user } = kept.user
    kept.user = disabled ? { ...user, disabled, account: raise(user.account) } : user
  }

  async setAdmin(account: Account, isAdmin: boolean): Promise<void> {
    const kept = this.#kept(account)
    const { admin: _before, ...user } = kept.user
    kept.user = isAdmin ? { ...user, admin: true } : user
  }

  async hasOperator(): Promise<boolean> {
    return [...this.#accounts.values()].some(({ user }) => user.admin)
  }

  async setQuota(account: Account, quota: Partial<Quota>): Promise<void> {
    const kept = this.#kept(account)
    const { quota: _before, ...user } = kept.user
    kept.user = Object.keys(quota).length > 0 ? { ...user, quota } : user
  }

  async setInvited(username: string, isInvited: boolean): Promise<void> {
    const others = this.#registration.invited.filter((name) => name !== username)
    this.#registration.invited = isInvited ? [...others, username] : others
  }

  async setRemoved(usernames: string[], isRemoved: boolean): Promise<void> {
    const others = this.#registration.removed.filter((name) => !usernames.includes(name))
    this.#registration.removed = isRemoved ? [...others, ...usernames] : others
  }

  async deleteProgress(account: Account, document: string): Promise<boolean> {
    const kept = this.#kept(account)
    if (!kept.records.delete(document)) return false
    kept.history = kept.history.filter((row) => row.document !== document)
    return true
  }

  async putTitle(account: Account, document: string, title: string): Promise<boolean> {
    const { records } = this.#kept(account)
    const before = records.get(document)
    if (!before) return false
    const { title: _before, ...record } = before
    records.set(document, title === '' ? record : { ...record, title })
    return true
  }

  async mergeDocuments(account: Account, from: string, into: string): Promise<boolean> {
    const kept = this.#kept(account)
    const [moved, target] = [kept.records.get(from), kept.records.get(into)]
    if (!moved || !target || from === into) return false
    const renamed = { ...moved, document: into }
    const isNewer = moved.timestamp > target.timestamp
    kept.records.delete(from)
    kept.records.set(into, isNewer ? nextProgress(target, renamed) : nextProgress(renamed, target))
    kept.history = inOrder(kept.history.map((row) => (row.document === from ? { ...row, document: into } : row)))
    return true
  }

  async pruneHistory(account: Account, keep: number, since: number, document?: string): Promise<number> {
    const kept = this.#kept(account)
    const gone = new Set<Progress>()
    for (const each of document === undefined ? kept.records.keys() : [document]) {
      const rows = kept.history.filter((row) => row.document === each)
      for (const [at, row] of rows.entries()) {
        const newer = rows.length - 1 - at
        if (newer > 0 && (row.timestamp < since || newer >= keep)) gone.add(row)
      }
    }
    kept.history = kept.history.filter((row) => !gone.has(row))
    return gone.size
  }

  async listUsers(cursor?: string, limit = 200): Promise<UserPage> {
    const { items, next } = pageOf([...this.#accounts.keys()], cursor, limit)
    const users = items.map((name) => this.#accounts.get(name)!.user)
    return { users, damaged: [], total: this.#accounts.size, ...next }
  }

  async listAccounts(cursor?: string, limit?: number): Promise<AccountPage> {
    const { users, ...page } = await this.listUsers(cursor, limit)
    return { ...page, accounts: await Promise.all(users.map(({ account }) => this.getSummary(account))) }
  }

  async getSummary(account: Account): Promise<AccountSummary> {
    const { user, records, history } = this.#find(account)
    const all = [...records.values()]
    const lastSync = Math.max(...all.map(({ timestamp }) => timestamp))
    return {
      account: user.account,
      disabled: user.disabled ?? false,
      admin: user.admin ?? false,
      ...(user.quota && { quota: user.quota }),
      documents: all.length,
      devices: new Set(all.map(({ device, device_id }) => device_id ?? device)).size,
      bytes: JSON.stringify([all, history]).length,
      ...(all.length > 0 && { lastSync }),
      lastActive: Math.max(lastSync, 0),
      problems: [],
    }
  }

  async listDocuments(account: Account, cursor?: string, limit = 500): Promise<DocumentPage> {
    const { records } = this.#find(account)
    const { items, next } = pageOf([...records.keys()], cursor, limit)
    return { documents: items.map((document) => records.get(document)!), problems: [], ...next }
  }

  async exportAccount(account: Account, cursor?: string): Promise<ExportPage> {
    const { history } = this.#find(account)
    const { documents, ...page } = await this.listDocuments(account, cursor)
    const rowsOf = (record: Progress): Progress[] => history.filter(({ document }) => document === record.document)
    return { ...page, documents: documents.map((record) => ({ record, rows: rowsOf(record) })) }
  }

  async importAccount(account: Account, documents: MergedDocument[]): Promise<Merged> {
    const kept = this.#kept(account)
    const merged = { documents: documents.length, latest: 0, rows: 0 }
    for (const added of documents) {
      const { document } = added.rows[0]!
      const rows = kept.history.filter((row) => row.document === document)
      const result = addDocument({ record: kept.records.get(document), rows }, added)
      kept.records.set(document, result.record)
      kept.history = [...kept.history.filter((row) => row.document !== document), ...result.rows]
      merged.latest += Number(result.isLatest)
      merged.rows += result.added
    }
    return merged
  }

  async flush(): Promise<boolean> {
    return true
  }

  /** Nothing can be wrong. */
  async repair(): Promise<Finding[]> {
    return []
  }

  async deleteUser(account: Account): Promise<void> {
    this.#kept(account)
    this.#accounts.delete(account.username)
    this.#registration.removed.push(account.username)
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

  /** The account in any generation; throws StaleAccount. */
  #find(account: Account): Kept {
    const kept = this.#accounts.get(account.username)
    if (kept?.user.account.id !== account.id) throw new StaleAccount(account, true)
    return kept
  }
}

function inOrder(rows: Progress[]): Progress[] {
  return rows.toSorted((one, other) => one.timestamp - other.timestamp)
}

function pageOf(keys: string[], cursor: string | undefined, limit: number): { items: string[]; next?: Next } {
  const after = keys.toSorted().filter((key) => cursor === undefined || key > cursor)
  const items = after.slice(0, limit)
  return after.length > limit ? { items, next: { next: items.at(-1)! } } : { items }
}
