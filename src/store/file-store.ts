import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Progress } from '../protocol.ts'
import { tempPrefix } from './atomic-file.ts'
import { ProgressFiles, type ProgressFilesOptions } from './progress-files.ts'
import { UserFiles } from './user-files.ts'
import type { Now, Store, User } from './store.ts'

export interface FileStoreOptions extends ProgressFilesOptions {
  /** The state directory. No other server may use it. @see folder-lock.ts */
  dir: string
}

/** Flat JSON files: the layout of STORAGE.md §1, the names of §2, the durability of §3. */
export class FileStore implements Store {
  readonly #users: UserFiles
  readonly #progress: ProgressFiles

  constructor({ dir, ...options }: FileStoreOptions) {
    this.#users = new UserFiles(dir)
    this.#progress = new ProgressFiles(options)
  }

  getUser(username: string): Now<User | undefined> {
    return this.#users.find(username)
  }

  createUser(user: User): Promise<boolean> {
    return this.#users.create(user)
  }

  replaceKey(username: string, current: string, key: string): Promise<boolean> {
    return this.#users.replaceKey(username, current, key)
  }

  async deleteUser(username: string): Promise<boolean> {
    const user = await this.#users.find(username)
    if (!user || !(await this.#users.delete(user))) return false
    this.#progress.forget(user.folder)
    return true
  }

  listUsers(): Promise<string[]> {
    return this.#users.list()
  }

  getProgress(username: string, document: string): Now<Progress | undefined> {
    const user = this.#users.find(username)
    if (user instanceof Promise) return user.then((found) => found && this.#progress.get(found.folder, document))
    return user && this.#progress.get(user.folder, document)
  }

  async putProgress(username: string, pushed: Progress): Promise<Progress | undefined> {
    const user = await this.#users.find(username)
    const stored = user && (await this.#progress.put(user.folder, pushed))
    if (!stored) await this.#users.checkFolder()
    return stored
  }

  async listHistory(username: string, document: string): Promise<Progress[]> {
    const user = await this.#users.find(username)
    return user ? await this.#progress.listHistory(user.folder, document) : []
  }

  close(): Promise<void> {
    return this.#progress.close()
  }
}

/** Removes the temps that a crash left in the state directory before `started` (milliseconds since 1970). */
export async function removeTemps(dir: string, started: number): Promise<void> {
  const entries = await readdir(dir, { withFileTypes: true })
  for (const entry of entries) {
    const path = join(dir, entry.name)
    if (entry.name.startsWith(tempPrefix)) {
      if ((await stat(path)).mtimeMs < started) await rm(path, { recursive: true, force: true })
    } else if (entry.isDirectory() && !entry.name.startsWith('.')) await removeTemps(path, started)
  }
}
