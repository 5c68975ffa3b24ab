import { statSync, type Stats } from 'node:fs'
import { mkdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { raise } from '../account.ts'
import { AccountIds } from './account-ids.ts'
import { renameFile, replaceFile, syncFolder, tempPath, writeNewFile } from '../../durable.ts'
import { authFile, formatAuth, nextName, parseUser, type StoredUser } from './files/auth-file.ts'
import { DamagedFile } from '../../damaged-file.ts'
import { hasCode, unlessAbsent } from '../../error-code.ts'
import { FileCache } from './file-cache.ts'
import { toFileName } from './files/file-name.ts'
import { FolderReplaced } from './opened-folder.ts'
import { RawUserFolders } from './files/raw-names.ts'
import type { Account, NewUser, Now, Quota } from '../store.ts'

/** <dir>/<user>/auth.json. Nobody may make, change or delete two users at once. @see STORAGE.md §1 */
export class UserFiles {
  readonly #dir: string
  readonly #identity: string
  readonly #raw: RawUserFolders
  readonly #ids = new AccountIds()
  readonly #files = new FileCache<StoredUser>((text, stats, path) => this.#ids.identify(parseUser(text, path), stats))

  constructor(dir: string) {
    this.#dir = dir
    this.#identity = identity(statSync(dir))
    this.#raw = new RawUserFolders(dir)
  }

  /** Undefined when there is no such user; rejects with DamagedFile when auth.json holds no credential. */
  find(username: string): Now<StoredUser | undefined> {
    const known = this.#files.peek(username)
    return known?.username === username ? known : this.#read(username)
  }

  /** Rejects when the state directory is not there: then nobody is, and that says nothing of their credentials. */
  async checkFolder(): Promise<void> {
    if (identity(await stat(this.#dir)) === this.#identity) return
    throw new FolderReplaced(this.#dir)
  }

  /** The user as read from auth.json, with the account that it is. */
  identify(user: StoredUser, stats: Stats): StoredUser {
    return this.#ids.identify(user, stats)
  }

  /**
   * False when the name is taken. The folder appears whole: renaming it over another one fails. It is written while
   * `before` runs, and appears after both: a slow disk is a slow answer on a reader's screen.
   */
  async create({ username, key, disabled, adopted }: NewUser, before: () => Promise<void>): Promise<boolean> {
    const folder = this.folderOf(username)
    const temp = tempPath(this.#dir)
    const said = { ...(disabled && { disabled }), ...(adopted && { adopted }) }
    const text = formatAuth({ 'x-auth-user': username, 'x-auth-key': key, ...said }, AccountIds.create())
    try {
      await mkdir(temp, { mode: 0o700 })
      const [stats] = await Promise.all([writeNewFile(join(temp, authFile), text), before()])
      await this.#publish(temp, folder)
      this.#set(folder, text, stats)
      return true
    } catch (error) {
      await rm(temp, { recursive: true, force: true }).catch(() => undefined)
      // The name's folder is not empty, or it is a file.
      if (hasCode(error, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR')) return false
      throw error
    }
  }

  /** Durably, or not at all: a reader who was told of a failure registers again, and the name must not be taken. */
  async #publish(temp: string, folder: string): Promise<void> {
    await renameFile(temp, folder)
    try {
      await syncFolder(this.#dir)
    } catch (error) {
      await renameFile(folder, temp)
      // A log-in may have found it meanwhile.
      this.forget()
      throw error
    }
  }

  /** Another password's key. */
  async setKey({ account, folder, fields }: StoredUser, key: string): Promise<void> {
    const { adopted: _ofTheKey, ...rest } = fields
    await this.#write(folder, { ...rest, 'x-auth-key': key }, raise(account))
  }

  /** The same password's key in another form. */
  async upgradeKey({ account, folder, fields }: StoredUser, key: string): Promise<void> {
    await this.#write(folder, { ...fields, 'x-auth-key': key }, account)
  }

  /** Locks the account, or opens it again. */
  async setDisabled({ account, folder, fields }: StoredUser, disabled: boolean): Promise<void> {
    const { disabled: _before, ...rest } = fields
    await this.#write(folder, disabled ? { ...rest, disabled } : rest, disabled ? raise(account) : account)
  }

  /** Makes the account an operator's, or no more. */
  async setAdmin({ account, folder, fields }: StoredUser, isAdmin: boolean): Promise<void> {
    const { admin: _before, ...rest } = fields
    await this.#write(folder, isAdmin ? { ...rest, admin: true } : rest, account)
  }

  /** Sets what the account may keep; what is left out is as the settings say. */
  async setQuota({ account, folder, fields }: StoredUser, { documents, bytes }: Partial<Quota>): Promise<void> {
    const { quota_documents: _documents, quota_bytes: _bytes, ...rest } = fields
    const quota = {
      ...(documents !== undefined && { quota_documents: documents }),
      ...(bytes !== undefined && { quota_bytes: bytes }),
    }
    await this.#write(folder, { ...rest, ...quota }, account)
  }

  /**
   * Gives the user and the folder another name, which must not be taken. Both change at one moment, that of the
   * folder's renaming: the new name stands in auth.json before.
   */
  async rename({ username, account, folder, fields }: StoredUser, to: string): Promise<void> {
    const target = this.folderOf(to)
    await this.#write(folder, { ...fields, [nextName]: to }, account)
    await renameFile(folder, target)
    this.#files.delete(username)
    await syncFolder(this.#dir)
    await this.#write(target, { ...fields, 'x-auth-user': to }, raise(account))
  }

  /** False when the folder is not there. Gone as one: the folder is renamed first, then emptied. */
  async delete(user: StoredUser): Promise<boolean> {
    const temp = tempPath(this.#dir)
    const renamed = renameFile(user.folder, temp).then(() => true)
    if (!(await unlessAbsent(renamed))) return false
    this.#files.delete(user.username)
    await syncFolder(this.#dir)
    await rm(temp, { recursive: true, force: true })
    return true
  }

  /** Looks at the disk again: somebody else changed files. */
  forget(): void {
    this.#files.clear()
  }

  async #write(folder: string, fields: Record<string, unknown>, account: Account): Promise<void> {
    const text = formatAuth(fields, account)
    this.#set(folder, text, await replaceFile(join(folder, authFile), text))
  }

  #set(folder: string, text: string, stats: Stats): void {
    const path = join(folder, authFile)
    const user = this.#ids.identify(parseUser(text, path), stats)
    this.#files.set(user.username, path, user, stats)
  }

  async #read(username: string): Promise<StoredUser | undefined> {
    const user = await this.#files.get(username, this.#path(toFileName(username)))
    if (user?.username === username) return user
    const raw = (await this.#raw.has(username)) ? await this.#files.get(username, this.#path(username)) : undefined
    if (raw?.username === username) return raw
    try {
      await this.checkFolder()
    } catch (error) {
      // Otherwise the user would be unknown for another second when the folder is back.
      this.#files.delete(username)
      throw error
    }
    return undefined
  }

  /** The folder that a new user of the name gets. */
  folderOf(username: string): string {
    return join(this.#dir, toFileName(username))
  }

  #path(folder: string): string {
    return join(this.#dir, folder, authFile)
  }

  /** A name whose credential is damaged is taken too. */
  async isTaken(username: string): Promise<boolean> {
    try {
      return (await this.find(username)) !== undefined
    } catch (error) {
      if (error instanceof DamagedFile) return true
      throw error
    }
  }
}

/** A disk that is taken out leaves another folder behind, or none. */
function identity({ dev, ino, birthtimeMs }: Stats): string {
  return `${dev} ${ino} ${birthtimeMs}`
}
