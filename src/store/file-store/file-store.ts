import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import pLimit from 'p-limit'
import type { Progress } from '../../kosync/protocol.ts'
import { AccountLocks, topFolder } from './account-locks.ts'
import { current, StaleAccount } from '../account.ts'
import { syncFolder } from '../../durable.ts'
import type { StoredUser } from './files/auth-file.ts'
import { unlessAbsent } from '../../error-code.ts'
import { WriteAheadLog, type LogOptions } from './wal/log.ts'
import { readOldJournal } from './wal/old-journal.ts'
import type { LogRecord } from './wal/record.ts'
import { collectDocuments, readLog, syncLog } from './wal/recovery.ts'
import { OpenedFolder } from './opened-folder.ts'
import { ProgressFiles, type ProgressFilesOptions } from './progress-files.ts'
import { AccountReader } from './account-reader.ts'
import { blockingReads, threadReads } from './files/file-reads.ts'
import { Operations } from './operations.ts'
import { oncePerMinute } from './retry.ts'
import { folderNames } from './files/file-name.ts'
import { journalFolder, logFolder } from './files/folder-names.ts'
import { removeTempsInside } from './files/left-over-temps.ts'
import { OperatorsFile } from './operators-file.ts'
import { RegistrationFile } from './files/registration-file.ts'
import type { Account, Admin, NewUser, Now, Quota, Registration, Stats, Store, User } from '../store.ts'
import { Usage } from './usage.ts'
import { UserFiles } from './user-files.ts'

export interface FileStoreOptions extends ProgressFilesOptions, LogOptions {
  /** The state directory. No other server may use it. @see folder-lock.ts */
  dir: string
  /** The default quota of an account; no limit if left out. */
  quota?: Quota
  /** Nobody else waits in this process: operators' reads may block it, which is several times as fast. */
  blocking?: boolean
}

/** Changes of accounts that write files at a time: the other threads of the pool are for pushes. */
const writers = 4

/** Pushes under way at a time: those that a disk holds up, also when their readers were answered, must not fill the memory. */
const mostPushes = 5000

const noQuota: Quota = { documents: 0, bytes: 0 }

/** The disk holds up so many pushes that no more are taken. `code` is `STORE_UNAVAILABLE`. */
export class TooManyPushes extends Error {
  readonly code = 'STORE_UNAVAILABLE'

  constructor(dir: string) {
    super(`The disk of ${dir} holds up ${mostPushes} pushes.`)
  }
}

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
  readonly #locks = new AccountLocks()
  readonly #limit = pLimit(writers)
  readonly #tooMany: TooManyPushes
  #pushes = 0
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
    this.#tooMany = new TooManyPushes(dir)
    this.stats = {
      failure: () => log.failure() ?? this.#progress.failure ?? (this.#pushes < mostPushes ? undefined : this.#tooMany),
      figures: () => this.#progress.figures,
    }
    const { blocking = false, now = () => performance.now() } = options
    const parts = { dir, users: this.#users, progress: this.#progress }
    this.admin = new Operations({
      ...parts,
      reader: new AccountReader({ ...parts, reads: blocking ? blockingReads : threadReads, keeps: !blocking, now }),
      registration: this.#registration,
      operators: this.#operators,
      usage: this.#usage,
      change: (folders, work) => this.#change(folders, work),
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
      // A new account folder or the log itself may not be durable yet; pushes from here on depend on both.
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
      // On a full disk, for example: pushes fail, but everything can be read.
      onDamage(error)
    }
    store.#progress.begin()
    return store
  }

  async #replay(dir: string, records: LogRecord[]): Promise<void> {
    for (const logged of collectDocuments(records)) {
      const { folder, file } = logged
      // Also for a deleted account: another one may get its folder name.
      this.#progress.notePushes(join(dir, folder))
      if (await this.#mayExist(join(dir, folder))) await this.#progress.replay(join(dir, folder, file), logged)
    }
  }

  /** True if the disk cannot tell: then one such folder must not prevent the start. */
  async #mayExist(folder: string): Promise<boolean> {
    try {
      return (await unlessAbsent(lstat(folder))) !== undefined
    } catch (error) {
      this.#onDamage(error)
      return true
    }
  }

  /** A crash leaves temporary files only in folders that the log names. Searching all folders takes too long at a million accounts. */
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

  createUser(user: NewUser): Promise<boolean> {
    const { username } = user
    return this.#change(folderNames(username), async () => {
      if (await this.#users.isTaken(username)) return false
      const folder = this.#users.folderOf(username)
      const isNew = await this.#users.create(user, () => this.#progress.discard(folder))
      // Not awaited: on a slow disk the reader would time out. Later updates of the registration wait for it.
      if (isNew) void this.#useInvitation(username)
      return isNew
    })
  }

  /** Removes the name from the invited and the removed names. The account exists, so a failure is only reported. */
  async #useInvitation(username: string): Promise<void> {
    try {
      await this.#registration.update(({ invited, removed, ...rest }) => {
        if (![...invited, ...removed].includes(username)) return undefined
        const without = (names: string[]): string[] => names.filter((name) => name !== username)
        return { ...rest, invited: without(invited), removed: without(removed) }
      })
    } catch (error) {
      this.#onDamage(error)
    }
  }

  /** A failure is reported and does not stop the deletion or renaming. */
  async #rememberRemoved(username: string): Promise<void> {
    try {
      await this.#registration.setRemoved([username], true)
    } catch (error) {
      this.#onDamage(error)
    }
  }

  /** Runs the work while it holds the locks of the folders exclusive. Rejects with FolderReplaced. */
  #change<T>(folders: string[], work: () => Promise<T>): Promise<T> {
    const checked = async (): Promise<T> => {
      await this.#log.folder.check()
      return await work()
    }
    return this.#locks.exclusive(folders, () => this.#limit(checked))
  }

  setKey(account: Account, key: string): Promise<void> {
    return this.#change(folderNames(account.username), async () => {
      await this.#users.setKey(await this.#current(account), key)
    })
  }

  upgradeKey(account: Account, before: string, key: string): Promise<void> {
    return this.#change(folderNames(account.username), async () => {
      const user = await this.#current(account)
      if (user.key === before) await this.#users.upgradeKey(user, key)
    })
  }

  deleteUser(account: Account): Promise<void> {
    return this.#change(folderNames(account.username), async () => {
      const user = await this.#current(account)
      // A folder of an older kss, `Alice`: where case folds, `alice` gets the same one, and createUser discards its own name only.
      if (user.folder !== this.#users.folderOf(user.username)) await this.#progress.settle(user.folder)
      await this.#rememberRemoved(user.username)
      if (!(await this.#users.delete(user))) throw new StaleAccount(account, true)
      this.#usage.forget(user.folder)
    })
  }

  /** Throws StaleAccount. */
  async #current(account: Account): Promise<StoredUser> {
    return current(await this.#users.find(account.username), account)
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
    if (this.#pushes >= mostPushes) throw this.#tooMany
    this.#pushes += 1
    try {
      // Before the lock, so that changes of the account do not wait for room in the log.
      const room = this.#progress.makeRoom()
      if (room) await room
      return await this.#putLocked(account, pushed, onlyIfNone)
    } finally {
      this.#pushes -= 1
    }
  }

  async #putLocked(account: Account, pushed: Progress, onlyIfNone: boolean): Promise<Progress> {
    const locked = this.#locks.lockShared(account.folder)
    if (locked) await locked
    try {
      const { folder, quota, username } = await this.#current(account)
      const most = quota ? { ...this.#quota, ...quota } : this.#quota
      const located = await this.#progress.locate(folder, pushed.document)
      const isNew = !located.record && !onlyIfNone
      if (isNew) await this.#usage.addDocument(folder, located.key, most, username)
      const keepsRow = !this.#usage.addPush(folder, pushed, most)
      try {
        return await this.#progress.put({ ...located, pushed, onlyIfNone, keepsRow })
      } catch (error) {
        // It was counted, and is not stored.
        this.#usage.forget(folder)
        throw error
      } finally {
        if (isNew) this.#usage.added(located.key)
      }
    } finally {
      this.#locks.unlockShared(account.folder)
    }
  }

  async listHistory(account: Account, document: string): Promise<Progress[]> {
    const { folder } = await this.#current(account)
    const rows = await this.#progress.listHistory(folder, document)
    // The account may have been replaced meanwhile.
    await this.#current(account)
    return rows
  }

  /** Waits for the changes in progress. */
  close(): Promise<void> {
    return this.#locks.exclusive([topFolder], () =>
      this.#registration.exclusive(async () => {
        await this.#operators.stop()
        await this.#progress.close()
        await this.#log.close(() => this.#progress.isWritten)
      }),
    )
  }
}
