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

/** <dir>/<user>/auth.json. Changes of one account must be serialised by the caller. @see account-locks.ts, STORAGE.md §1 */
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

  /** Rejects if the state directory is gone or replaced: then a missing account says nothing about its credential. */
  async checkFolder(): Promise<void> {
    if (identity(await stat(this.#dir)) === this.#identity) return
    throw new FolderReplaced(this.#dir)
  }

  /** The user as read from auth.json for a list, with the account that it is. */
  identify(user: StoredUser, stats: Stats): StoredUser {
    return this.#ids.look(user, stats)
  }

  /**
   * False if the folder exists. The folder is written under a temporary name and renamed, which fails over another one.
   * `before` runs at the same time as the write, to save a flush on slow disks, and ends before the renaming.
   */
  async create({ username, key, disabled, adopted }: NewUser, before: () => Promise<void>): Promise<boolean> {
    const folder = this.folderOf(username)
    const temp = tempPath(this.#dir)
    const said = { ...(disabled && { disabled }), ...(adopted && { adopted }) }
    const text = formatAuth({ 'x-auth-user': username, 'x-auth-key': key, ...said }, AccountIds.create())
    try {
      await mkdir(temp, { mode: 0o700 })
      const both = [writeNewFile(join(temp, authFile), text), before()] as const
      // Also when one fails: `before` must not reach into the next registration of the name.
      await Promise.allSettled(both)
      const [stats] = await Promise.all(both)
      await this.#move(temp, folder)
      this.#set(folder, text, stats)
      return true
    } catch (error) {
      await rm(temp, { recursive: true, force: true }).catch(() => undefined)
      // The folder exists and is not empty, or a file has its name.
      if (hasCode(error, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR')) return false
      throw error
    }
  }

  /** Renames an account's folder, durably, or not at all: after an error the same request is made again. */
  async #move(from: string, to: string): Promise<void> {
    await renameFile(from, to)
    try {
      await syncFolder(this.#dir)
    } catch (error) {
      await renameFile(to, from)
      // A log-in may have cached the account.
      this.forget()
      throw error
    }
  }

  /** Stores the key of a new password, which begins a new generation. */
  async setKey({ account, folder, fields }: StoredUser, key: string): Promise<void> {
    const { adopted: _ofTheKey, ...rest } = fields
    await this.#write(folder, { ...rest, 'x-auth-key': key }, raise(account))
  }

  /** Stores the key of the same password in another form. */
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
   * Renames the user and the folder. No other account may have the name. Renaming the folder changes both at once: the new
   * name is written to auth.json before, where it counts only in the new folder.
   */
  async rename({ username, account, folder, fields }: StoredUser, to: string): Promise<void> {
    const target = this.folderOf(to)
    await this.#write(folder, { ...fields, [nextName]: to }, account)
    await this.#move(folder, target)
    for (const name of [username, to]) this.#files.delete(name)
    // The renaming is done. A later write of the file has the same.
    await this.#write(target, { ...fields, 'x-auth-user': to }, raise(account)).catch(() => undefined)
  }

  /** False if there is no folder. Atomic: the folder is first renamed to a temporary name, then removed. */
  async delete(user: StoredUser): Promise<boolean> {
    const temp = tempPath(this.#dir)
    const moved = this.#move(user.folder, temp).then(() => true)
    if (!(await unlessAbsent(moved))) return false
    this.#files.delete(user.username)
    await rm(temp, { recursive: true, force: true })
    return true
  }

  /** Drops the cache, after files were changed elsewhere. */
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
      // Not cached: the user is found at once when the folder is back.
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

  /** Whether an account has the name, also one with a damaged credential. */
  async isTaken(username: string): Promise<boolean> {
    try {
      return (await this.find(username)) !== undefined
    } catch (error) {
      if (error instanceof DamagedFile) return true
      throw error
    }
  }
}

/** Differs for the folder that an unmounted disk leaves at its mount point. */
function identity({ dev, ino, birthtimeMs }: Stats): string {
  return `${dev} ${ino} ${birthtimeMs}`
}
