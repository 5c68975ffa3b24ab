import { statSync, type Stats } from 'node:fs'
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { renameFile, replaceFile, syncFolder, tempPath } from './atomic-file.ts'
import { DamagedFile, parseObject } from './damaged-file.ts'
import { hasCode, unlessAbsent } from './error-code.ts'
import { FileCache } from './file-cache.ts'
import { toFileName } from './file-name.ts'
import { listsRawName } from './raw-names.ts'
import type { Now, User } from './store.ts'

const authFile = 'auth.json'

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
  async create({ username, key }: User): Promise<boolean> {
    const folder = this.folderOf(username)
    const temp = tempPath(this.#dir)
    const fields = { 'x-auth-user': username, 'x-auth-key': key }
    try {
      await mkdir(temp, { mode: 0o700 })
      const stats = await replaceFile(join(temp, authFile), format(fields))
      await renameFile(temp, folder)
      await syncFolder(this.#dir)
      this.#files.set(username, join(folder, authFile), { username, key, folder, fields }, stats)
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
    const user = { ...found, key, fields: { ...found.fields, 'x-auth-key': key } }
    const path = join(user.folder, authFile)
    this.#files.set(username, path, user, await replaceFile(path, format(user.fields)))
    return true
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
    const folders = await readdir(this.#dir)
    const users = await Promise.all(folders.map((folder) => this.#findIn(folder)))
    return users.flatMap((user) => (user ? [user.username] : []))
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

function parseUser(text: string, _stats: unknown, path: string): StoredUser {
  const fields = parseObject(text, path)
  const { 'x-auth-user': username, 'x-auth-key': key } = fields
  if (typeof username !== 'string') throw new DamagedFile(path, 'has no x-auth-user')
  if (typeof key !== 'string' || key === '') throw new DamagedFile(path, 'has no x-auth-key')
  return { username, key, folder: dirname(path), fields }
}
