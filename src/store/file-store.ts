import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Progress } from '../protocol.ts'
import { syncFolder, tempPrefix } from './atomic-file.ts'
import { unlessAbsent } from './error-code.ts'
import { collectPushes, newUserLine } from './journal-entry.ts'
import { Journal, readJournal, syncJournal } from './journal.ts'
import { ProgressFiles, type ProgressFilesOptions } from './progress-files.ts'
import type { Now, Store, User } from './store.ts'
import { Turns } from './turns.ts'
import { UserFiles } from './user-files.ts'

export interface FileStoreOptions extends ProgressFilesOptions {
  /** The state directory. No other server may use it. @see folder-lock.ts */
  dir: string
}

/** Flat JSON files: the layout of STORAGE.md §1, the names of §2, the durability of §3. */
export class FileStore implements Store {
  readonly #journal: Journal
  readonly #users: UserFiles
  readonly #progress: ProgressFiles
  /** Users are made, changed and deleted one at a time. */
  readonly #changes = new Turns()
  /** How many users were made since the start. */
  #created = 0

  private constructor(dir: string, journal: Journal, options: ProgressFilesOptions) {
    this.#journal = journal
    this.#users = new UserFiles(dir)
    this.#progress = new ProgressFiles(journal, options)
  }

  /** Serves what a crash left in the journal, and brings it into the files meanwhile. */
  static async open({ dir, ...options }: FileStoreOptions): Promise<FileStore> {
    const folder = join(dir, '.journal')
    const { entries, newest } = await readJournal(folder, options.onDamage)
    const journal = new Journal(folder, newest)
    const store = new FileStore(dir, journal, options)
    try {
      await syncJournal(folder)
      // A user, or the journal, that is there but for a power cut: what is pushed now must not go with it.
      await syncFolder(dir)
    } catch (error) {
      options.onDamage(error)
    }
    await store.#replay(dir, entries)
    try {
      // Now, so that the first push does not wait for it.
      const { before } = await journal.rotate(() => undefined)
      if (store.#progress.isWritten) await journal.dropBefore(before)
    } catch (error) {
      // A full disk, say: there is nothing to push, but everything to read.
      options.onDamage(error)
    }
    store.#progress.begin()
    return store
  }

  async #replay(dir: string, entries: unknown[]): Promise<void> {
    for (const { folder, file, ...kept } of collectPushes(entries)) {
      if (await unlessAbsent(stat(join(dir, folder)))) await this.#progress.replay(join(dir, folder, file), kept)
    }
  }

  getUser(username: string): Now<User | undefined> {
    return this.#users.find(username)
  }

  createUser(user: User): Promise<boolean> {
    return this.#changes.take(async () => {
      if (await this.#users.isTaken(user.username)) return false
      const folder = this.#users.folderOf(user.username)
      // What was pushed for an earlier user of this name must not become this one's.
      this.#created += 1
      await this.#progress.forget(folder)
      await this.#journal.append(() => newUserLine(folder))
      return await this.#users.create(user)
    })
  }

  replaceKey(username: string, current: string, key: string): Promise<boolean> {
    return this.#changes.take(() => this.#users.replaceKey(username, current, key))
  }

  deleteUser(username: string): Promise<boolean> {
    return this.#changes.take(async () => {
      const user = await this.#users.find(username)
      return user !== undefined && (await this.#users.delete(user))
    })
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
    let key: string | undefined
    for (;;) {
      const created = this.#created
      const user = await this.#users.find(username)
      // Another key is another user's, who got the name while this push waited.
      if (!user || user.key !== (key ??= user.key)) return undefined
      const located = await this.#progress.locateForPush(user.folder, pushed.document)
      // Else this may be another user's folder by now.
      if (created === this.#created) return await this.#progress.put(located, pushed)
    }
  }

  async listHistory(username: string, document: string): Promise<Progress[]> {
    const user = await this.#users.find(username)
    return user ? await this.#progress.listHistory(user.folder, document) : []
  }

  /** Brings all that the journal holds into the files. False when something could not be written: it stays there. */
  flush(): Promise<boolean> {
    return this.#progress.flush()
  }

  close(): Promise<void> {
    return this.#changes.take(async () => {
      await this.#journal.close(await this.#progress.close())
    })
  }
}

/**
 * Removes the temps that a crash left in the state directory before `started` (milliseconds since 1970). Those of now
 * come and go meanwhile, and so do users.
 */
export async function removeTemps(dir: string, started: number): Promise<void> {
  const entries = (await unlessAbsent(readdir(dir, { withFileTypes: true }))) ?? []
  for (const entry of entries) {
    const path = join(dir, entry.name)
    if (entry.name.startsWith(tempPrefix)) {
      const stats = await unlessAbsent(stat(path))
      if (stats && stats.mtimeMs < started) await rm(path, { recursive: true, force: true })
    } else if (entry.isDirectory() && !entry.name.startsWith('.')) await removeTemps(path, started)
  }
}
