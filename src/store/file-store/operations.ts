import { dirname, join } from 'node:path'
import pLimit from 'p-limit'
import { hasCode } from '../../error-code.ts'
import { current } from '../account.ts'
import type { Finding } from '../finding.ts'
import { topFolder } from './account-locks.ts'
import type { AccountReader } from './account-reader.ts'
import { folderNames } from './files/file-name.ts'
import { readHistory } from './files/history-file.ts'
import { groupDocuments, joinDocuments, mergeDocument } from './merge-documents.ts'
import type { ProgressFiles } from './progress-files.ts'
import type { LocatedRecord, RecordEditor } from './record-editor.ts'
import type { RegistrationFile } from './files/registration-file.ts'
import { keptRows } from './files/rows.ts'
import type {
  Account,
  AccountPage,
  AccountSummary,
  Admin,
  DocumentPage,
  ExportPage,
  Merged,
  MergedDocument,
  Quota,
  Registration,
  RepairOptions,
  UserPage,
} from '../store.ts'
import type { StoredUser } from './files/auth-file.ts'
import type { OperatorsFile } from './operators-file.ts'
import type { Usage } from './usage.ts'
import { eachPage } from '../pages.ts'
import type { UserFiles } from './user-files.ts'

/** What operations need of the store. */
export interface OperationsOptions {
  /** The state directory. */
  dir: string
  users: UserFiles
  progress: ProgressFiles
  reader: AccountReader
  registration: RegistrationFile
  operators: OperatorsFile
  usage: Usage
  /** Runs the work while it holds the locks of the folders exclusive. @see account-locks.ts */
  change: <T>(folders: string[], work: () => Promise<T>) => Promise<T>
  /** Records that the name was removed, so that an upstream server does not bring it back. */
  rememberRemoved: (username: string) => Promise<void>
}

/** Files that are written at a time. */
const writers = 16

/** The file store's implementation of Admin. */
export class Operations implements Admin {
  readonly #options: OperationsOptions
  readonly #editor: RecordEditor

  constructor(options: OperationsOptions) {
    this.#options = options
    this.#editor = options.progress.editor
  }

  listUsers(cursor?: string, limit?: number): Promise<UserPage> {
    return this.#options.reader.listUsers(cursor, limit)
  }

  listAccounts(cursor?: string, limit?: number): Promise<AccountPage> {
    return this.#options.reader.listAccounts(cursor, limit)
  }

  getSummary(account: Account): Promise<AccountSummary> {
    return this.#options.reader.getSummary(account)
  }

  listDocuments(account: Account, cursor?: string, limit?: number): Promise<DocumentPage> {
    return this.#options.reader.listDocuments(account, cursor, limit)
  }

  exportAccount(account: Account, cursor?: string): Promise<ExportPage> {
    return this.#options.reader.exportAccount(account, cursor)
  }

  async renameUser(account: Account, to: string): Promise<boolean> {
    const { users, progress, rememberRemoved } = this.#options
    return await this.#settled(account, [to], async (user) => {
      if (await users.isTaken(to)) return false
      await progress.discard(users.folderOf(to))
      await rememberRemoved(user.username)
      try {
        await users.rename(user, to)
      } catch (error) {
        if (hasCode(error, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR')) return false
        throw error
      }
      await progress.forget(user.folder)
      return true
    })
  }

  async setDisabled(account: Account, disabled: boolean): Promise<void> {
    const { users, change } = this.#options
    await change(folderNames(account.username), async () => users.setDisabled(await this.#current(account), disabled))
  }

  async setAdmin(account: Account, isAdmin: boolean): Promise<void> {
    const { users, operators, change } = this.#options
    await change(folderNames(account.username), async () => {
      const user = await this.#current(account)
      await users.setAdmin(user, isAdmin)
      await operators.set(user.account.folder, isAdmin)
    })
  }

  hasOperator(): Promise<boolean> {
    return this.#options.operators.hasOne()
  }

  async setQuota(account: Account, quota: Partial<Quota>): Promise<void> {
    const { users, change } = this.#options
    await change(folderNames(account.username), async () => users.setQuota(await this.#current(account), quota))
  }

  setRegistration(said: Pick<Registration, 'open' | 'until'>): Promise<void> {
    const { change, registration } = this.#options
    return change([], () => registration.update(({ invited, removed }) => ({ ...said, invited, removed })))
  }

  setRemoved(usernames: string[], isRemoved: boolean): Promise<void> {
    const { change, registration } = this.#options
    return change([], () => registration.setRemoved(usernames, isRemoved))
  }

  setInvited(username: string, isInvited: boolean): Promise<void> {
    const { change, registration } = this.#options
    const update = (): Promise<void> =>
      registration.update(({ invited, ...rest }) => {
        const others = invited.filter((name) => name !== username)
        return { ...rest, invited: isInvited ? [...others, username] : others }
      })
    return change([], update)
  }

  async deleteProgress(account: Account, document: string): Promise<boolean> {
    const deleted = await this.#edit(account, document, async (located) => {
      await this.#editor.remove(located)
      return true
    })
    return deleted ?? false
  }

  async putTitle(account: Account, document: string, title: string): Promise<boolean> {
    const done = await this.#edit(account, document, async (located) => {
      const { title: _before, ...record } = located.record
      await this.#editor.replace(located, title === '' ? record : { ...record, title })
      return true
    })
    return done ?? false
  }

  /** `from` is removed last, so that the same call completes the work after a crash. */
  async mergeDocuments(account: Account, from: string, into: string): Promise<boolean> {
    const { progress } = this.#options
    const done = await this.#edit(account, from, async (located) => {
      const target = await progress.locate(dirname(located.path), into)
      const { record } = target
      if (!record || from === into) return false
      await joinDocuments(progress, located, { ...target, record })
      return true
    })
    return done ?? false
  }

  async pruneHistory(account: Account, keep: number, since: number, document?: string): Promise<number> {
    if (document === undefined) return await this.#pruneAll(account, keep, since)
    const gone = await this.#edit(account, document, async (located) => {
      const rows = await readHistory(located.path)
      const kept = keptRows(rows, keep, since)
      if (kept.length < rows.length) await this.#editor.replaceHistory(located, kept)
      return rows.length - kept.length
    })
    return gone ?? 0
  }

  /** Locks the account only for documents that have something to remove: pushes would wait. */
  async #pruneAll(account: Account, keep: number, since: number): Promise<number> {
    let gone = 0
    await this.#current(account)
    for await (const { documents } of eachPage((cursor) => this.exportAccount(account, cursor))) {
      for (const { record, rows } of documents) {
        if (keptRows(rows, keep, since).length === rows.length) continue
        gone += await this.pruneHistory(account, keep, since, record.document)
      }
    }
    return gone
  }

  async importAccount(account: Account, documents: MergedDocument[]): Promise<Merged> {
    const { progress } = this.#options
    return await this.#settled(account, [], async ({ folder }) => {
      const limit = pLimit(writers)
      const merged = { documents: documents.length, latest: 0, rows: 0 }
      const each = groupDocuments(documents).map((document) => limit(() => mergeDocument(progress, folder, document)))
      // Also when one fails: nothing may be written once the account is unlocked.
      await Promise.allSettled(each)
      for (const { latest, rows } of await Promise.all(each)) {
        merged.latest += latest
        merged.rows += rows
      }
      return merged
    })
  }

  flush(): Promise<boolean> {
    return this.#options.progress.flush()
  }

  /** Excludes all other changes, since a repair may rename a folder to another account's name and remove temporary files. */
  repair(folder: string, options: RepairOptions = {}): Promise<Finding[]> {
    const { dir, change, registration } = this.#options
    return change([topFolder, folder], async () => {
      if (folder !== '') return await this.#repairFolder(folder, options)
      const { repairTop } = await import('../../check/repair.ts')
      return await registration.exclusive(() => repairTop(dir, options))
    })
  }

  async #repairFolder(folder: string, options: RepairOptions): Promise<Finding[]> {
    const { dir, users, progress } = this.#options
    const path = join(dir, folder)
    const { clearFolder, repairFolder } = await import('../../check/repair.ts')
    // First: these findings may keep pushes from being written.
    const cleared = await clearFolder(dir, folder, options)
    return await this.#withSettled(path, async () => {
      try {
        const discardPushes = (name: string): Promise<void> => progress.discard(name)
        return [...cleared, ...(await repairFolder(dir, folder, { ...options, discardPushes }))]
      } finally {
        await progress.forget(path)
        users.forget()
      }
    })
  }

  /** Undefined when there is no such record. */
  async #edit<T>(
    account: Account,
    document: string,
    work: (located: LocatedRecord) => Promise<T>,
  ): Promise<T | undefined> {
    return await this.#settled(account, [], async ({ folder }) => {
      const located = await this.#options.progress.locate(folder, document)
      const { record } = located
      return record && (await work({ ...located, record }))
    })
  }

  /**
   * Locks the account and the other names, writes all pushes of the account to its files, durably, and runs the work.
   * Rejects with StaleAccount.
   */
  #settled<T>(account: Account, others: string[], work: (user: StoredUser) => Promise<T>): Promise<T> {
    return this.#options.change([account.username, ...others].flatMap(folderNames), async () => {
      const user = await this.#current(account)
      return await this.#withSettled(user.folder, () => work(user))
    })
  }

  async #withSettled<T>(folder: string, work: () => Promise<T>): Promise<T> {
    const { progress, usage } = this.#options
    await progress.settle(folder)
    try {
      return await work()
    } finally {
      usage.forget(folder)
    }
  }

  /** Throws StaleAccount. */
  async #current(account: Account): Promise<StoredUser> {
    return current(await this.#options.users.find(account.username), account)
  }
}
