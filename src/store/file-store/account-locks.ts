/*
 * Shared/exclusive locks, one for each account folder and one for the top of the state directory.
 *
 * A push holds the lock of its account's folder shared. Whatever changes an account (registration, key, name, deletion,
 * a command of an operator) holds it exclusive: it waits for the pushes in progress, and later pushes wait for it. It
 * also holds the lock of the top shared, so that a repair and a stop, which hold that one exclusive, exclude all
 * changes. A lock is granted in the order of the calls, so nobody starves. Whoever needs several locks takes them in the
 * order of their keys, so there is no deadlock; nobody may ask for another lock while holding one.
 */

/** The lock of the state directory itself. */
export const topFolder = ''

type Mode = 'shared' | 'exclusive'

interface Lock {
  /** How many hold it shared; -1 while one holds it exclusive. */
  holders: number
  queue: { mode: Mode; grant: () => void }[]
}

/** Shared/exclusive locks of account folders, by the folder's name. */
export class AccountLocks {
  /** The locks that are held. */
  readonly #locks = new Map<string, Lock>()

  /** Takes the lock shared. Returns a promise only if the caller has to wait for it. */
  lockShared(folder: string): Promise<void> | undefined {
    return this.#acquire(keyOf(folder), 'shared')
  }

  unlockShared(folder: string): void {
    this.#release(keyOf(folder))
  }

  /** Runs the work while it holds the locks of the folders exclusive. */
  async exclusive<T>(folders: string[], work: () => Promise<T>): Promise<T> {
    const modes = new Map<string, Mode>([[topFolder, 'shared']])
    for (const folder of folders) modes.set(keyOf(folder), 'exclusive')
    const keys = [...modes.keys()].toSorted()
    for (const key of keys) {
      const acquired = this.#acquire(key, modes.get(key)!)
      if (acquired) await acquired
    }
    try {
      return await work()
    } finally {
      for (const key of keys) this.#release(key)
    }
  }

  #acquire(key: string, mode: Mode): Promise<void> | undefined {
    const lock = this.#locks.get(key)
    if (!lock) {
      this.#locks.set(key, { holders: mode === 'shared' ? 1 : -1, queue: [] })
      return undefined
    }
    if (mode === 'shared' && lock.holders > 0 && lock.queue.length === 0) {
      lock.holders += 1
      return undefined
    }
    return new Promise((grant) => lock.queue.push({ mode, grant }))
  }

  #release(key: string): void {
    const lock = this.#locks.get(key)!
    lock.holders = Math.max(lock.holders - 1, 0)
    if (lock.holders > 0) return
    const next = lock.queue[0]
    if (!next) this.#locks.delete(key)
    else if (next.mode === 'exclusive') this.#grant(lock, -1)
    else while (lock.queue[0]?.mode === 'shared') this.#grant(lock, lock.holders + 1)
  }

  #grant(lock: Lock, holders: number): void {
    lock.holders = holders
    lock.queue.shift()!.grant()
  }
}

/** The names that kss gives to folders: no file system takes two of them for the same one. */
const ownName = /^[!-@[-~]*$/

/**
 * One key for all names that a file system may take for the same folder, `Alice` of an older kss and `alice`, say. On
 * other file systems such accounts share a lock.
 */
function keyOf(folder: string): string {
  return ownName.test(folder) ? folder : folder.toUpperCase().normalize().toLowerCase()
}
