/*
 * Shared/exclusive locks, one for each account folder and one for the top of the state directory.
 *
 * A push holds the lock of its account's folder shared. A change of an account (registration, key, name, deletion, an
 * operator's command) holds it exclusive: the change waits for the pushes in progress, and later pushes wait for the
 * change. A change also holds the lock of the top shared. A repair and a stop hold that one exclusive, which excludes all
 * changes.
 *
 * Requests for a lock are granted in their order, so none starves. Several locks are taken in the order of their keys,
 * and work that holds locks never requests another one, so there is no deadlock.
 */

/** The lock of the state directory itself. */
export const topFolder = ''

type Mode = 'shared' | 'exclusive'

interface Lock {
  /** The number of shared holders; -1 while the lock is held exclusive. */
  holders: number
  queue: { mode: Mode; grant: () => void }[]
}

/** Shared/exclusive locks of account folders, by the folder's name. */
export class AccountLocks {
  /** The locks that are held, by key. */
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

/** The characters of the folder names that kss makes. Two such names are two folders on every file system. */
const ownName = /^[!-@[-~]*$/

/**
 * Maps all names that may be one folder on a case-folding or normalising file system to one key: `Alice`, which an older
 * kss made, and `alice`. On other file systems such accounts share a lock, which costs only time.
 */
function keyOf(folder: string): string {
  return ownName.test(folder) ? folder : folder.toUpperCase().normalize().toLowerCase()
}
