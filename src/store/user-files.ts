import { statSync, type Stats } from 'node:fs'
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { renameFile, replaceFile, syncFolder, tempPath } from './atomic-file.ts'
import { DamagedFile, parseObject } from './damaged-file.ts'
import { hasCode, unlessAbsent } from './error-code.ts'
import { FileCache } from './file-cache.ts'
import { toFileName } from './file-name.ts'
import { listsRawName } from './raw-names.ts'
import type { Now, User } from './store.ts'

export const authFile = 'auth.json'

/** In auth.json while the user gets this name: it counts as soon as the folder is the name's. */
const nextName = 'x-auth-user-next'

/** A user and the folder that holds what is theirs. */
export interface StoredUser extends User {
  folder: string
  /** All of auth.json; fields that kss does not know outlive a change of the key. */
  fields: Record<string, unknown>
}

/** <dir>/<user>/auth.json. Nobody may make, change or delete two users at once. @see STORAGE.md §1 */
export class UserFiles {
  readonly #dir: string
  readonly #identity: string
  readonly #files = new FileCache(parseUser)

  constructor(dir: string) {
    this.#dir = dir
    this.#identity = identity(statSync(dir))
  }

  /** Undefined when there is no such user; rejects with DamagedFile when auth.json holds no credential. */
  find(username: string): Now<StoredUser | undefined> {
    const known = this.#files.peek(username)
    return known?.username === username ? known : this.#read(username)
  }

  /** Rejects when the state directory is not there: then nobody is, and that says nothing of their credentials. */
  async checkFolder(): Promise<void> {
    if (identity(await stat(this.#dir)) === this.#identity) return
    throw new DamagedFile(this.#dir, 'is another folder than at the start')
  }

  /** False when the name is taken. The folder appears whole: renaming it over another one fails. */
  async create({ username, key, disabled, adopted }: User): Promise<boolean> {
    const folder = this.folderOf(username)
    const temp = tempPath(this.#dir)
    const said = { ...(disabled && { disabled }), ...(adopted && { adopted }) }
    const fields = { 'x-auth-user': username, 'x-auth-key': key, ...said }
    try {
      await mkdir(temp, { mode: 0o700 })
      const stats = await replaceFile(join(temp, authFile), format(fields))
      await renameFile(temp, folder)
      await syncFolder(this.#dir)
      this.#set(folder, fields, stats)
      return true
    } catch (error) {
      await rm(temp, { recursive: true, force: true }).catch(() => undefined)
      // The name's folder is not empty, or it is a file.
      if (hasCode(error, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR')) return false
      throw error
    }
  }

  /** False when the key is not `current` any more, or the user is gone. */
  async replaceKey(username: string, current: string, key: string): Promise<boolean> {
    const found = await this.find(username)
    if (found?.key !== current) return false
    const { adopted: _ofTheKey, ...fields } = found.fields
    await this.#write(found.folder, { ...fields, 'x-auth-key': key })
    return true
  }

  /** Locks the account, or opens it again. */
  async setDisabled({ folder, fields }: StoredUser, disabled: boolean): Promise<void> {
    const { disabled: _before, ...rest } = fields
    await this.#write(folder, disabled ? { ...rest, disabled } : rest)
  }

  /**
   * Gives the user and the folder another name, which must not be taken. Both change at one moment, that of the
   * folder's renaming: the new name stands in auth.json before.
   */
  async rename({ username, folder, fields }: StoredUser, to: string): Promise<void> {
    const target = this.folderOf(to)
    await this.#write(folder, { ...fields, [nextName]: to })
    await renameFile(folder, target)
    this.#files.delete(username)
    await syncFolder(this.#dir)
    await this.#write(target, { ...fields, 'x-auth-user': to })
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

  /** The names of all whose credential can be read. */
  async list(): Promise<string[]> {
    return (await this.listStored()).map(({ username }) => username)
  }

  /** All whose credential can be read. */
  async listStored(): Promise<StoredUser[]> {
    const folders = await readdir(this.#dir)
    const users = await Promise.all(folders.map((folder) => this.#findIn(folder)))
    return users.filter((user) => user !== undefined)
  }

  /** Looks at the disk again: somebody else changed files. */
  forget(): void {
    this.#files.deleteAll('')
  }

  async #write(folder: string, fields: Record<string, unknown>): Promise<void> {
    this.#set(folder, fields, await replaceFile(join(folder, authFile), format(fields)))
  }

  #set(folder: string, fields: Record<string, unknown>, stats: Stats): void {
    const path = join(folder, authFile)
    const user = userOf(fields, path)
    this.#files.set(user.username, path, user, stats)
  }

  async #read(username: string): Promise<StoredUser | undefined> {
    const user = await this.#files.get(username, this.#path(toFileName(username)))
    if (user?.username === username) return user
    const raw = (await listsRawName(this.#dir, username))
      ? await this.#files.get(username, this.#path(username))
      : undefined
    if (raw?.username === username) return raw
    await this.checkFolder()
    return undefined
  }

  /** The folder that a new user of the name gets. */
  folderOf(username: string): string {
    return join(this.#dir, toFileName(username))
  }

  #path(folder: string): string {
    return join(this.#dir, folder, authFile)
  }

  /** The user of a folder; undefined when it is no user's, or by its name should not be this one's. */
  async #findIn(folder: string): Promise<StoredUser | undefined> {
    try {
      const path = this.#path(folder)
      const user = parseUser(await readFile(path, 'utf8'), undefined, path)
      return [user.username, toFileName(user.username)].includes(folder) ? user : undefined
    } catch {
      return undefined
    }
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

function format(fields: Record<string, unknown>): string {
  return `${JSON.stringify(fields)}\n`
}

/** The user that the text of an auth.json tells of; throws DamagedFile. */
export function parseUser(text: string, _stats: unknown, path: string): StoredUser {
  return userOf(parseObject(text, path), path)
}

function userOf(all: Record<string, unknown>, path: string): StoredUser {
  const folder = dirname(path)
  const { [nextName]: next, ...fields } = all
  if (typeof next === 'string' && toFileName(next) === basename(folder)) fields['x-auth-user'] = next
  const { 'x-auth-user': username, 'x-auth-key': key, disabled, adopted } = fields
  if (typeof username !== 'string') throw new DamagedFile(path, 'has no x-auth-user')
  if (typeof key !== 'string' || key === '') throw new DamagedFile(path, 'has no x-auth-key')
  const user = { username, key, folder, fields }
  return { ...user, ...(disabled === true && { disabled }), ...(adopted === true && { adopted }) }
}
