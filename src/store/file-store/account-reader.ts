import type { Stats } from 'node:fs'
import { basename, join } from 'node:path'
import pLimit from 'p-limit'
import { DamagedFile } from '../../damaged-file.ts'
import { StaleAccount } from '../account.ts'
import type { Account, AccountPage, AccountSummary, DocumentPage, ExportPage, User, UserPage } from '../store.ts'
import { authFile, type StoredUser } from './files/auth-file.ts'
import type { FileReads } from './files/file-reads.ts'
import { compareFolders, listUserFolders, readStoredUser, type ReadUser } from './files/list-users.ts'
import { withRows } from './files/rows.ts'
import type { ProgressFiles } from './progress-files.ts'
import { RecordReader } from './record-reader.ts'
import type { UserFiles } from './user-files.ts'

export interface AccountReaderOptions {
  /** The state directory. */
  dir: string
  users: UserFiles
  progress: ProgressFiles
  reads: FileReads
  /** Whether the records of an account are kept for its next list. */
  keeps: boolean
  /** Milliseconds of a clock that is never set. */
  now: () => number
}

/** Accounts that are read at a time. */
const readers = 8

/** Documents of a page of an export. */
const exportedAtOnce = 200

/** Characters of histories after which a page of an export ends. */
const charactersAtOnce = 2 ** 23

/** Milliseconds for which the listed folders serve the next pages. */
const listedMs = 60_000

/** As AccountPage, of whatever was read of each account. */
interface FolderPage<T> extends Omit<AccountPage, 'accounts'> {
  items: T[]
}

/**
 * What operators read of accounts, a page at a time: the files, and what is newer in the memtable. It leaves the caches
 * alone, which are for the wire.
 */
export class AccountReader {
  readonly #options: AccountReaderOptions
  readonly #records: RecordReader
  #listed: { folders: string[]; until: number } | undefined

  constructor(options: AccountReaderOptions) {
    this.#options = options
    this.#records = new RecordReader(options.progress, options)
  }

  async listUsers(cursor?: string, limit?: number): Promise<UserPage> {
    const { items, ...page } = await this.#readFolders(cursor, limit, async ({ user }) => userOf(user))
    return { users: items, ...page }
  }

  async listAccounts(cursor?: string, limit?: number): Promise<AccountPage> {
    const { items, ...page } = await this.#readFolders(cursor, limit, ({ user, stats }) => this.#summarize(user, stats))
    return { accounts: items, ...page }
  }

  async getSummary(account: Account): Promise<AccountSummary> {
    const { reads } = this.#options
    return await this.#read(account, async (user) => {
      const stats = await reads.stat(join(user.folder, authFile))
      if (!stats) throw new StaleAccount(account, true)
      return await this.#summarize(user, stats)
    })
  }

  async listDocuments(account: Account, cursor = '', limit = 500): Promise<DocumentPage> {
    return await this.#read(account, async ({ folder }) => {
      const names = (await this.#recordNames(folder)).filter((name) => name > cursor)
      const page: DocumentPage = { documents: [], problems: [] }
      for await (const { record, problem } of this.#records.readEach(folder, names.slice(0, limit))) {
        if (problem) page.problems.push(problem.message)
        if (record) page.documents.push(record)
      }
      return names.length > limit ? { ...page, next: names[limit - 1]! } : page
    })
  }

  async exportAccount(account: Account, cursor = ''): Promise<ExportPage> {
    const { progress } = this.#options
    return await this.#read(account, async ({ folder }) => {
      await progress.write()
      const names = (await this.#recordNames(folder)).filter((name) => name > cursor)
      const page: ExportPage = { documents: [], problems: [] }
      let characters = 0
      let last = ''
      for await (const { path, record, problem } of this.#records.readEach(folder, names.slice(0, exportedAtOnce))) {
        last = basename(path)
        if (problem) page.problems.push(problem.message)
        if (!record) continue
        const unwritten = progress.unwrittenRows(folder, record.document)
        const { rows: written, length } = await this.#records.readRows(path)
        const rows = withRows(written, unwritten)
        page.documents.push({ record, rows: rows.length > 0 ? rows : [record] })
        characters += length
        if (characters >= charactersAtOnce) break
      }
      return last !== '' && last !== names.at(-1) ? { ...page, next: last } : page
    })
  }

  /** Runs the work. Throws StaleAccount if the account is gone before it or after it. */
  async #read<T>(account: Account, work: (user: StoredUser) => Promise<T>): Promise<T> {
    const result = await work(await this.#find(account))
    await this.#find(account)
    return result
  }

  async #find(account: Account): Promise<StoredUser> {
    const user = await this.#options.users.find(account.username)
    if (user?.account.id !== account.id) throw new StaleAccount(account, true)
    return user
  }

  /** The folders that were listed for the first page also serve the next pages. */
  async #listFolders(cursor: string | undefined): Promise<string[]> {
    const { dir, now } = this.#options
    if (cursor === undefined || !this.#listed || this.#listed.until < now()) {
      this.#listed = { folders: await listUserFolders(dir), until: now() + listedMs }
    }
    return this.#listed.folders
  }

  /** Reads the accounts of the next folders, in their order. */
  async #readFolders<T>(
    cursor: string | undefined,
    limit = 200,
    read: (user: ReadUser) => Promise<T>,
  ): Promise<FolderPage<T>> {
    const folders = await this.#listFolders(cursor)
    const page: FolderPage<T> = { items: [], damaged: [], total: folders.length }
    let at = cursor === undefined ? 0 : firstAfter(folders, cursor)
    const run = pLimit(readers)
    for (let room = limit; at < folders.length && room > 0; room = limit - page.items.length - page.damaged.length) {
      const some = folders.slice(at, at + room)
      at += some.length
      for (const { item, problem } of await run.map(some, (folder) => this.#readFolder(folder, read))) {
        if (problem !== undefined) page.damaged.push(problem)
        else if (item !== undefined) page.items.push(item)
      }
    }
    if (at < folders.length) return { ...page, next: folders[at - 1]! }
    this.#listed = undefined
    return page
  }

  /** Resolves to an empty object if the folder holds no account. */
  async #readFolder<T>(name: string, read: (user: ReadUser) => Promise<T>): Promise<{ item?: T; problem?: string }> {
    const { dir, reads, users } = this.#options
    let username: string | undefined
    try {
      const found = await readStoredUser(reads, dir, name)
      if (!found) return {}
      username = found.user.username
      return { item: await read({ ...found, user: users.identify(found.user, found.stats) }) }
    } catch (error) {
      const { message } = error as Error
      return { problem: username === undefined ? message : `${username}: ${message}` }
    }
  }

  async #summarize(
    { account, folder, disabled, admin, quota }: StoredUser,
    { mtimeMs }: Stats,
  ): Promise<AccountSummary> {
    const problems: string[] = []
    const devices = new Set<string>()
    let [documents, lastSync] = [0, -Infinity]
    for await (const { record, problem } of this.#records.readEach(folder, await this.#recordNames(folder))) {
      if (problem && !(problem instanceof DamagedFile)) throw problem
      if (problem) problems.push(problem.message)
      if (!record) continue
      documents += 1
      devices.add(record.device_id ?? record.device)
      lastSync = Math.max(lastSync, record.timestamp)
    }
    return {
      account,
      disabled: disabled ?? false,
      admin: admin ?? false,
      ...(quota && { quota }),
      documents,
      devices: devices.size,
      bytes: await this.#sizeOf(folder),
      ...(documents > 0 && { lastSync }),
      lastActive: documents > 0 ? lastSync : Math.floor(mtimeMs / 1000),
      problems,
    }
  }

  /** The names of the files of records, also of those that are not written yet, in their order. */
  async #recordNames(folder: string): Promise<string[]> {
    const { reads, progress } = this.#options
    const names = (await reads.names(folder)).filter((name) => /^[^.].*\.json$/.test(name) && name !== authFile)
    const pending = progress.pendingRecords(folder).map(({ path }) => basename(path))
    return [...new Set([...names, ...pending])].toSorted()
  }

  async #sizeOf(folder: string): Promise<number> {
    const { reads } = this.#options
    let bytes = 0
    for (const entry of await reads.entries(folder)) {
      if (entry.isFile()) bytes += (await reads.stat(join(entry.parentPath, entry.name)))?.size ?? 0
    }
    return bytes
  }
}

/** The part of a stored user that the Admin interface shows. */
function userOf({ folder: _path, fields: _all, ...user }: StoredUser): User {
  return user
}

/** The index of the first folder after the cursor. The cursor's own folder may be gone. */
function firstAfter(folders: string[], cursor: string): number {
  let [from, to] = [0, folders.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if (compareFolders(folders[middle]!, cursor) > 0) to = middle
    else from = middle + 1
  }
  return from
}
