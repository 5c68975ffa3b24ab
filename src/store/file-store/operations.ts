import { dirname, join } from 'node:path'
import pLimit from 'p-limit'
import { hasCode } from '../../error-code.ts'
import type { Finding } from '../finding.ts'
import { readHistory } from './files/history-file.ts'
import { groupDocuments, joinDocuments, mergeDocument, type Merged, type MergedDocument } from './merge-documents.ts'
import type { ProgressFiles } from './progress-files.ts'
import type { LocatedRecord, RecordEditor } from './record-editor.ts'
import type { RegistrationFile } from './files/registration-file.ts'
import { keptRows } from './files/rows.ts'
import type { ScanOptions } from '../../check/scan-entries.ts'
import type { Admin, Quota, Registration } from '../store.ts'
import type { StoredUser } from './files/auth-file.ts'
import type { UserFiles } from './user-files.ts'

/** What operations need of the store. */
export interface OperationsOptions {
  /** The state directory. */
  dir: string
  users: UserFiles
  progress: ProgressFiles
  registration: RegistrationFile
  /** Does the work while no user is made, changed or deleted. */
  change: <T>(work: () => Promise<T>) => Promise<T>
  /** Does the work while nobody pushes into the folder, and all that was pushed before is in its files. */
  takeFolder: <T>(folder: string, work: () => Promise<T>) => Promise<T>
  /** Before the folder's name is given to another user. */
  giveName: (folder: string) => Promise<void>
  /** Keeps an upstream from bringing the name back. */
  rememberRemoved: (username: string) => Promise<void>
}

/** Files that are written at a time. */
const writers = 16

/** What only an operator does: to users, documents and histories. Every promise resolves when it is durable. */
export class Operations implements Admin {
  readonly #options: OperationsOptions
  readonly #editor: RecordEditor

  constructor(options: OperationsOptions) {
    this.#options = options
    this.#editor = options.progress.editor
  }

  /** Gives the user another name; everything else stays. */
  async renameUser(username: string, to: string): Promise<'renamed' | 'absent' | 'taken'> {
    const { users, progress, giveName, rememberRemoved } = this.#options
    const renamed = await this.#alone(username, async (user) => {
      if (await users.isTaken(to)) return 'taken'
      await giveName(users.folderOf(to))
      try {
        await users.rename(user, to)
      } catch (error) {
        if (hasCode(error, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR')) return 'taken'
        throw error
      }
      await rememberRemoved(username)
      await progress.forget(user.folder)
      return 'renamed'
    })
    return renamed ?? 'absent'
  }

  /** False when there is no such user. */
  async setDisabled(username: string, disabled: boolean): Promise<boolean> {
    const { users, change } = this.#options
    return await change(async () => {
      const user = await users.find(username)
      if (user) await users.setDisabled(user, disabled)
      return user !== undefined
    })
  }

  /** Sets what the account may keep; what is left out is as the settings say. False when there is no such user. */
  async setQuota(username: string, quota: Partial<Quota>): Promise<boolean> {
    const { users, change } = this.#options
    return await change(async () => {
      const user = await users.find(username)
      if (user) await users.setQuota(user, quota)
      return user !== undefined
    })
  }

  /** Opens or closes registration, until a time in seconds since 1970 if one is given; without either as the setting says. */
  setRegistration(said: Pick<Registration, 'open' | 'until'>): Promise<void> {
    const { change, registration } = this.#options
    return change(async () => {
      const { invited, removed = [] } = await registration.get()
      await registration.set({ ...said, invited, removed })
    })
  }

  /** Lets an upstream bring back a name that was removed or renamed here. */
  allowReturn(username: string): Promise<void> {
    const { change, registration } = this.#options
    return change(() => registration.setRemoved(username, false))
  }

  /** Lets the name register once, also while registration is closed; or no more. */
  setInvited(username: string, isInvited: boolean): Promise<void> {
    const { change, registration } = this.#options
    return change(async () => {
      const { invited, ...rest } = await registration.get()
      const others = invited.filter((name) => name !== username)
      await registration.set({ ...rest, invited: isInvited ? [...others, username] : others })
    })
  }

  /** Removes the record and its history. False when there is none. */
  async deleteProgress(username: string, document: string): Promise<boolean> {
    const deleted = await this.#edit(username, document, async (located) => {
      await this.#editor.remove(located)
      return true
    })
    return deleted ?? false
  }

  /** Gives the document a title of the operator's, which pushes keep; an empty one takes it away. False when there is no record. */
  async putTitle(username: string, document: string, title: string): Promise<boolean> {
    const done = await this.#edit(username, document, async (located) => {
      const { title: _before, ...record } = located.record
      await this.#editor.replace(located, title === '' ? record : { ...record, title })
      return true
    })
    return done ?? false
  }

  /**
   * Makes one document of two ids of a book. `from` goes last, so that after a crash the same call finishes the work.
   * False when one of them has no record, or they are the same.
   */
  async mergeDocuments(username: string, from: string, into: string): Promise<boolean> {
    const { progress } = this.#options
    const done = await this.#edit(username, from, async (located) => {
      const target = await progress.locate(dirname(located.path), into)
      const { record } = target
      if (!record || from === into) return false
      await joinDocuments(progress, located, { ...target, record })
      return true
    })
    return done ?? false
  }

  /**
   * Shortens the history to the newest `keep` rows, and to those since a time in seconds since 1970; the newest one
   * always stays. Resolves to how many went.
   */
  async pruneHistory(username: string, document: string, keep: number, since: number): Promise<number> {
    const gone = await this.#edit(username, document, async (located) => {
      const rows = await readHistory(located.path)
      const kept = keptRows(rows, keep, since)
      if (kept.length < rows.length) await this.#editor.replaceHistory(located, kept)
      return rows.length - kept.length
    })
    return gone ?? 0
  }

  /** Adds what is known elsewhere: the newest position wins, the rest goes into the history. Undefined without the user. */
  async mergeProgress(username: string, documents: MergedDocument[]): Promise<Merged | undefined> {
    const { progress } = this.#options
    return await this.#alone(username, async ({ folder }) => {
      const limit = pLimit(writers)
      const merged = { documents: documents.length, latest: 0, rows: 0 }
      const each = groupDocuments(documents).map((document) => limit(() => mergeDocument(progress, folder, document)))
      for (const { latest, rows } of await Promise.all(each)) {
        merged.latest += latest
        merged.rows += rows
      }
      return merged
    })
  }

  /**
   * Mends what is wrong in the user's folder of that name, or with '' at the top of the state directory. Resolves to
   * what was done and what is left; rejects when something that was pushed there cannot be written all the same.
   */
  repair(folder: string, options: ScanOptions = {}): Promise<Finding[]> {
    const { dir, change } = this.#options
    return change(async () => {
      if (folder !== '') return await this.#repairFolder(folder, options)
      const { repairTop } = await import('../../check/repair.ts')
      return await repairTop(dir, options)
    })
  }

  async #repairFolder(folder: string, options: ScanOptions): Promise<Finding[]> {
    const { dir, users, progress, takeFolder, giveName } = this.#options
    const path = join(dir, folder)
    const { clearFolder, repairFolder } = await import('../../check/repair.ts')
    // What waits for the folder may wait for just this.
    const cleared = await clearFolder(dir, folder, options)
    return await takeFolder(path, async () => {
      try {
        return [...cleared, ...(await repairFolder(dir, folder, { ...options, giveName }))]
      } finally {
        await progress.forget(path)
        users.forget()
      }
    })
  }

  /** Undefined when there is no such record. */
  async #edit<T>(
    username: string,
    document: string,
    work: (located: LocatedRecord) => Promise<T>,
  ): Promise<T | undefined> {
    return await this.#alone(username, async ({ folder }) => {
      const located = await this.#options.progress.locate(folder, document)
      const { record } = located
      return record && (await work({ ...located, record }))
    })
  }

  /** Undefined when there is no such user. */
  #alone<T>(username: string, work: (user: StoredUser) => Promise<T>): Promise<T | undefined> {
    const { users, change, takeFolder } = this.#options
    return change(async () => {
      const user = await users.find(username)
      return user && (await takeFolder(user.folder, () => work(user)))
    })
  }
}
