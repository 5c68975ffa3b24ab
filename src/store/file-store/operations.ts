import { dirname, join } from 'node:path'
import pLimit from 'p-limit'
import { hasCode } from '../../error-code.ts'
import { current } from '../account.ts'
import type { Finding } from '../finding.ts'
import type { AccountReader } from './account-reader.ts'
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
  ExportedDocument,
  ExportPage,
  Merged,
  MergedDocument,
  Quota,
  Registration,
  RepairOptions,
} from '../store.ts'
import type { StoredUser } from './files/auth-file.ts'
import type { OperatorsFile } from './operators-file.ts'
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
  /** Does the work while no user is made, changed or deleted. */
  change: <T>(work: () => Promise<T>) => Promise<T>
  /** Does the work while nobody pushes into the folder, and all that was pushed before is in its files. */
  takeFolder: <T>(folder: string, work: () => Promise<T>) => Promise<T>
  /** Before the folder's name is given to another user. */
  giveName: (folder: string) => Promise<void>
  /** Keeps an upstream from bringing the name back. */
  rememberRemoved: (username: string) => Promise<void>
}

/** Files that are written at a time. */
const writers = 16

/** What only an operator does: to users, documents and histories. Every promise resolves when it is durable. */
export class Operations implements Admin {
  readonly #options: OperationsOptions
  readonly #editor: RecordEditor

  constructor(options: OperationsOptions) {
    this.#options = options
    this.#editor = options.progress.editor
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
    const { users, progress, giveName, rememberRemoved } = this.#options
    return await this.#alone(account, async (user) => {
      if (await users.isTaken(to)) return false
      await giveName(users.folderOf(to))
      try {
        await users.rename(user, to)
      } catch (error) {
        if (hasCode(error, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR')) return false
        throw error
      }
      await rememberRemoved(user.username)
      await progress.forget(user.folder)
      return true
    })
  }

  async setDisabled(account: Account, disabled: boolean): Promise<void> {
    const { users, change } = this.#options
    await change(async () => users.setDisabled(await this.#current(account), disabled))
  }

  async setAdmin(account: Account, isAdmin: boolean): Promise<void> {
    const { users, operators, change } = this.#options
    await change(async () => {
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
    await change(async () => users.setQuota(await this.#current(account), quota))
  }

  setRegistration(said: Pick<Registration, 'open' | 'until'>): Promise<void> {
    const { change, registration } = this.#options
    return change(async () => {
      const { invited, removed = [] } = await registration.get()
      await registration.set({ ...said, invited, removed })
    })
  }

  allowReturn(username: string): Promise<void> {
    const { change, registration } = this.#options
    return change(() => registration.setRemoved(username, false))
  }

  setInvited(username: string, isInvited: boolean): Promise<void> {
    const { change, registration } = this.#options
    return change(async () => {
      const { invited, ...rest } = await registration.get()
      const others = invited.filter((name) => name !== username)
      await registration.set({ ...rest, invited: isInvited ? [...others, username] : others })
    })
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

  /** `from` goes last, so that after a crash the same call finishes the work. */
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

  /** Takes the account only where something is to be removed: most have nothing, and pushes would wait. */
  async #pruneAll(account: Account, keep: number, since: number): Promise<number> {
    let gone = 0
    await this.#current(account)
    for await (const { record, rows } of eachDocument(this, account)) {
      if (keptRows(rows, keep, since).length === rows.length) continue
      gone += await this.pruneHistory(account, keep, since, record.document)
    }
    return gone
  }

  async importAccount(account: Account, documents: MergedDocument[]): Promise<Merged> {
    const { progress } = this.#options
    return await this.#alone(account, async ({ folder }) => {
      const limit = pLimit(writers)
      const merged = { documents: documents.length, latest: 0, rows: 0 }
      const each = groupDocuments(documents).map((document) => limit(() => mergeDocument(progress, folder, document)))
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

  repair(folder: string, options: RepairOptions = {}): Promise<Finding[]> {
    const { dir, change } = this.#options
    return change(async () => {
      if (folder !== '') return await this.#repairFolder(folder, options)
      const { repairTop } = await import('../../check/repair.ts')
      return await repairTop(dir, options)
    })
  }

  async #repairFolder(folder: string, options: RepairOptions): Promise<Finding[]> {
    const { dir, users, progress, takeFolder, giveName } = this.#options
    const path = join(dir, folder)
    const { clearFolder, repairFolder } = await import('../../check/repair.ts')
    // What waits for the folder may wait for just this.
    const cleared = await clearFolder(dir, folder, options)
    return await takeFolder(path, async () => {
      try {
        return [...cleared, ...(await repairFolder(dir, folder, { ...options, giveName }))]
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
    return await this.#alone(account, async ({ folder }) => {
      const located = await this.#options.progress.locate(folder, document)
      const { record } = located
      return record && (await work({ ...located, record }))
    })
  }

  /** Rejects with StaleAccount. */
  #alone<T>(account: Account, work: (user: StoredUser) => Promise<T>): Promise<T> {
    const { change, takeFolder } = this.#options
    return change(async () => {
      const user = await this.#current(account)
      return await takeFolder(user.folder, () => work(user))
    })
  }

  /** Throws StaleAccount. */
  async #current(account: Account): Promise<StoredUser> {
    return current(await this.#options.users.find(account.username), account)
  }
}

async function* eachDocument(admin: Pick<Admin, 'exportAccount'>, account: Account): AsyncGenerator<ExportedDocument> {
  let next: string | undefined
  do {
    const page = await admin.exportAccount(account, next)
    yield* page.documents
    next = page.next
  } while (next !== undefined)
}
