import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Progress } from '../protocol.ts'
import { syncFolder } from './atomic-file.ts'
import { unlessAbsent } from './error-code.ts'
import { collectPushes, voidLine } from './journal-entry.ts'
import { Journal, readJournal, syncJournal } from './journal.ts'
import { ProgressFiles, type ProgressFilesOptions } from './progress-files.ts'
import { Operations } from './operations.ts'
import { RegistrationFile } from './registration-file.ts'
import type { Now, Registration, Store, User } from './store.ts'
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
  readonly #registration: RegistrationFile
  readonly #onDamage: (error: unknown) => void
  /** Users are made, changed and deleted one at a time. */
  readonly #changes = new Turns()
  /** Folders that somebody has for himself; pushes wait. */
  readonly #taken = new Map<string, Promise<void>>()
  /** How often a name was given, or a folder taken, since the start. */
  #given = 0
  #takings = 0
  /** What only operators do. */
  readonly operations: Operations

  private constructor(dir: string, journal: Journal, options: ProgressFilesOptions) {
    this.#journal = journal
    this.#users = new UserFiles(dir)
    this.#progress = new ProgressFiles(journal, options)
    this.#registration = new RegistrationFile(dir)
    this.#onDamage = options.onDamage
    this.operations = new Operations({
      dir,
      users: this.#users,
      progress: this.#progress,
      registration: this.#registration,
      change: (work) => this.#changes.take(work),
      takeFolder: (folder, work) => this.#takeFolder(folder, work),
      giveName: (folder) => this.#giveName(folder),
    })
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
      await this.#giveName(this.#users.folderOf(user.username))
      if (!(await this.#users.create(user))) return false
      await this.#useInvitation(user.username)
      return true
    })
  }

  /** What was pushed for an earlier user of the folder's name must not become the next one's. */
  async #giveName(folder: string): Promise<void> {
    this.#given += 1
    await this.#progress.forget(folder)
    await this.#journal.append(() => voidLine(folder))
  }

  /** The account is there, so that a failure is nobody's but the operator's. */
  async #useInvitation(username: string): Promise<void> {
    try {
      const { invited, ...rest } = await this.#registration.get()
      if (!invited.includes(username)) return
      await this.#registration.set({ ...rest, invited: invited.filter((name) => name !== username) })
    } catch (error) {
      this.#onDamage(error)
    }
  }

  /** Does the work while nobody pushes into the folder, and all that was pushed before is in its files. */
  #takeFolder<T>(folder: string, work: () => Promise<T>): Promise<T> {
    this.#takings += 1
    const done = this.#progress.settle(folder).then(work)
    this.#taken.set(
      folder,
      done.then(
        () => undefined,
        () => undefined,
      ),
    )
    return done.finally(() => this.#taken.delete(folder))
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

  getRegistration(): Now<Registration> {
    return this.#registration.get()
  }

  getProgress(username: string, document: string): Now<Progress | undefined> {
    const user = this.#users.find(username)
    if (user instanceof Promise) return user.then((found) => found && this.#progress.get(found.folder, document))
    return user && this.#progress.get(user.folder, document)
  }

  putProgress(username: string, pushed: Progress): Promise<Progress | undefined> {
    return this.#put(username, pushed, false)
  }

  addProgress(username: string, record: Progress): Promise<Progress | undefined> {
    return this.#put(username, record, true)
  }

  async #put(username: string, pushed: Progress, onlyIfNone: boolean): Promise<Progress | undefined> {
    const given = this.#given
    let key: string | undefined
    for (;;) {
      const [takings, now] = [this.#takings, this.#given]
      const user = await this.#users.find(username)
      // Another key may be another user's, who got the name while this push waited.
      if (!user || (user.key !== (key ??= user.key) && now !== given)) return undefined
      const taken = this.#taken.get(user.folder)
      const located = taken ? await taken : await this.#progress.locateForPush(user.folder, pushed.document)
      // Else the folder may be another user's by now, or somebody works in it.
      if (located && takings === this.#takings && now === this.#given)
        return await this.#progress.put(located, pushed, onlyIfNone)
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
