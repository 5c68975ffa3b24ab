import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Progress } from '../../kosync/protocol.ts'
import { current, isCurrent, StaleAccount } from '../account.ts'
import { syncFolder } from '../../durable.ts'
import type { StoredUser } from './files/auth-file.ts'
import { unlessAbsent } from '../../error-code.ts'
import { WriteAheadLog, type LogOptions } from './wal/log.ts'
import { readOldJournal } from './wal/old-journal.ts'
import { formatTombstone, type LogRecord } from './wal/record.ts'
import { collectDocuments, readLog, syncLog } from './wal/recovery.ts'
import { OpenedFolder } from './opened-folder.ts'
import { ProgressFiles, type ProgressFilesOptions } from './progress-files.ts'
import { AccountReader } from './account-reader.ts'
import { blockingReads, threadReads } from './files/file-reads.ts'
import { Operations } from './operations.ts'
import { oncePerMinute } from './retry.ts'
import { journalFolder, logFolder } from './files/folder-names.ts'
import { removeTempsInside } from './files/left-over-temps.ts'
import { OperatorsFile } from './operators-file.ts'
import { RegistrationFile } from './files/registration-file.ts'
import type { Account, Admin, NewUser, Now, Quota, Registration, Stats, Store, User } from '../store.ts'
import { Mutex } from '../../mutex.ts'
import { Usage } from './usage.ts'
import { UserFiles } from './user-files.ts'

export interface FileStoreOptions extends ProgressFilesOptions, LogOptions {
  /** The state directory. No other server may use it. @see folder-lock.ts */
  dir: string
  /** What an account may keep by pushes, unless an operator gave it other limits; none if left out. */
  quota?: Quota
  /** Nobody else waits in this process: operators' reads may block it, which is several times as fast. */
  blocking?: boolean
}

const noQuota: Quota = { documents: 0, bytes: 0 }

/** Flat JSON files: the layout of STORAGE.md §1, the names of §2, the durability of §3. */
export class FileStore implements Store {
  readonly #log: WriteAheadLog
  readonly #users: UserFiles
  readonly #progress: ProgressFiles
  readonly #registration: RegistrationFile
  readonly #operators: OperatorsFile
  readonly #usage = new Usage()
  readonly #quota: Quota
  readonly #onDamage: (error: unknown) => void
  /** Users are made, changed and deleted one at a time. */
  readonly #changes = new Mutex()
  /** Folders that somebody has for himself; pushes wait. */
  readonly #taken = new Map<string, Promise<void>>()
  /** How often a folder was taken since the start. */
  #takings = 0
  /** What only operators do. */
  readonly admin: Admin
  readonly stats: Stats

  private constructor(dir: string, log: WriteAheadLog, { quota = noQuota, ...options }: Omit<FileStoreOptions, 'dir'>) {
    this.#log = log
    this.#users = new UserFiles(dir)
    this.#progress = new ProgressFiles(log, options)
    this.#registration = new RegistrationFile(dir)
    this.#operators = new OperatorsFile(dir)
    this.#quota = quota
    this.#onDamage = options.onDamage
    this.stats = {
      failure: () => log.failure() ?? this.#progress.failure,
      figures: () => this.#progress.figures,
    }
    const { blocking = false, now = () => performance.now() } = options
    const parts = { dir, users: this.#users, progress: this.#progress }
    this.admin = new Operations({
      ...parts,
      reader: new AccountReader({ ...parts, reads: blocking ? blockingReads : threadReads, now }),
      registration: this.#registration,
      operators: this.#operators,
      change: (work) => this.#change(work),
      takeFolder: (folder, work) => this.#takeFolder(folder, work),
      giveName: (folder) => this.#giveName(folder),
      rememberRemoved: (username) => this.#rememberRemoved(username),
    })
  }

  /** Serves what a crash left in the log, and brings it into the files meanwhile. */
  static async open({ dir, ...options }: FileStoreOptions): Promise<FileStore> {
    const { onDamage, now = () => performance.now() } = options
    const paths = { state: dir, log: join(dir, logFolder), journal: join(dir, journalFolder) }
    const earlier = await readOldJournal(paths.journal, onDamage)
    const { records, newest } = await readLog(paths.log, onDamage)
    const log = new WriteAheadLog(paths, newest, new OpenedFolder(dir, oncePerMinute(onDamage, now)), options)
    const store = new FileStore(dir, log, options)
    try {
      for (const folder of [paths.journal, paths.log]) await syncLog(folder)
      // A user, or the log, that is there but for a power cut: what is pushed now must not go with it.
      await syncFolder(dir)
    } catch (error) {
      onDamage(error)
    }
    const all = earlier.concat(records)
    await store.#replay(dir, all)
    for (const name of new Set(all.map((record) => record.folder))) await store.#removeTemps(join(dir, name))
    try {
      // Now, so that the first push does not wait for it. A command may have nothing to push.
      if (options.preallocate) await log.begin()
      if (store.#progress.isWritten) await log.dropBefore(newest + 1)
    } catch (error) {
      // A full disk, say: there is nothing to push, but everything to read.
      onDamage(error)
    }
    store.#progress.begin()
    return store
  }

  async #replay(dir: string, records: LogRecord[]): Promise<void> {
    for (const logged of collectDocuments(records)) {
      const { folder, file } = logged
      // Also for an account that is gone: its name may be given again.
      this.#progress.notePushes(join(dir, folder))
      if (await unlessAbsent(stat(join(dir, folder)))) await this.#progress.replay(join(dir, folder, file), logged)
    }
  }

  /** A crash leaves temps in the folders that its log names: at a million accounts nobody looks into all of them. */
  async #removeTemps(folder: string): Promise<void> {
    try {
      for (const each of [folder, join(folder, 'history')]) await removeTempsInside(each)
    } catch (error) {
      this.#onDamage(error)
    }
  }

  getUser(username: string): Now<User | undefined> {
    return this.#users.find(username)
  }

  async createUser(user: NewUser): Promise<boolean> {
    const isNew = await this.#change(async () => {
      if (await this.#users.isTaken(user.username)) return false
      const folder = this.#users.folderOf(user.username)
      return await this.#users.create(user, () => this.#giveName(folder))
    })
    // The next change waits for it, who registers does not: on a slow disk a reader would give up.
    if (isNew) void this.#changes.run(() => this.#useInvitation(user.username))
    return isNew
  }

  /** What was pushed for an earlier account of the folder's name must not become the next one's. */
  async #giveName(folder: string): Promise<void> {
    if (!this.#progress.hasPushes(folder)) {
      this.#progress.clearCache(folder)
      return
    }
    await this.#progress.forget(folder)
    await this.#log.append(() => formatTombstone(folder))
  }

  /** Takes back that the name is invited, or was removed. The account is there: a failure is for the operator to know. */
  async #useInvitation(username: string): Promise<void> {
    try {
      const { invited, removed = [], ...rest } = await this.#registration.get()
      const without = (names: string[]): string[] => names.filter((name) => name !== username)
      if (![...invited, ...removed].includes(username)) return
      await this.#registration.set({ ...rest, invited: without(invited), removed: without(removed) })
    } catch (error) {
      this.#onDamage(error)
    }
  }

  /** An account can go all the same when that cannot be stored. */
  async #rememberRemoved(username: string): Promise<void> {
    try {
      await this.#registration.setRemoved(username, true)
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
    return done.finally(() => {
      this.#taken.delete(folder)
      this.#usage.forget(folder)
    })
  }

  /** Does the work while no user is made, changed or deleted, and not in a folder that took the place of this one. */
  #change<T>(work: () => Promise<T>): Promise<T> {
    return this.#changes.run(async () => {
      await this.#log.folder.check()
      return await work()
    })
  }

  setKey(account: Account, key: string): Promise<void> {
    return this.#change(async () => {
      await this.#users.setKey(await this.#current(account), key)
    })
  }

  upgradeKey(account: Account, before: string, key: string): Promise<void> {
    return this.#change(async () => {
      const user = await this.#current(account)
      if (user.key === before) await this.#users.upgradeKey(user, key)
    })
  }

  deleteUser(account: Account): Promise<void> {
    return this.#change(async () => {
      const user = await this.#current(account)
      await this.#rememberRemoved(user.username)
      if (!(await this.#users.delete(user))) throw new StaleAccount(account, true)
    })
  }

  /** Throws StaleAccount. */
  async #current(account: Account): Promise<StoredUser> {
    return current(await this.#users.find(account.username), account)
  }

  listUsers(): Promise<string[]> {
    return this.#users.list()
  }

  getRegistration(): Now<Registration> {
    return this.#registration.get()
  }

  getProgress(account: Account, document: string): Now<Progress | undefined> {
    const user = this.#users.find(account.username)
    if (user instanceof Promise) {
      return user.then((found) => this.#progress.get(current(found, account).folder, document))
    }
    return this.#progress.get(current(user, account).folder, document)
  }

  putProgress(account: Account, pushed: Progress): Promise<Progress> {
    return this.#put(account, pushed, false)
  }

  addProgress(account: Account, record: Progress): Promise<Progress> {
    return this.#put(account, record, true)
  }

  async #put(account: Account, pushed: Progress, onlyIfNone: boolean): Promise<Progress> {
    for (;;) {
      const takings = this.#takings
      const { folder, quota, username } = await this.#current(account)
      const most = quota ? { ...this.#quota, ...quota } : this.#quota
      const taken = this.#taken.get(folder)
      const located = taken ? await taken : await this.#progress.locateForPush(folder, pushed.document)
      if (located && !located.record && !onlyIfNone) await this.#usage.addDocument(folder, most, username)
      // Otherwise the account changed, or an operator works in its folder, while the record was looked up.
      if (located && takings === this.#takings && isCurrent(this.#users.peek(account.username), account))
        return await this.#progress.put({
          ...located,
          pushed,
          onlyIfNone,
          keepsRow: !this.#usage.addPush(folder, pushed, most),
        })
    }
  }

  async listHistory(account: Account, document: string): Promise<Progress[]> {
    const { folder } = await this.#current(account)
    return await this.#progress.listHistory(folder, document)
  }

  close(): Promise<void> {
    return this.#changes.run(async () => {
      await this.#operators.stop()
      await this.#progress.close()
      await this.#log.close(() => this.#progress.isWritten)
    })
  }
}
