import type { Call } from '../control/control-channel.ts'
import { adminCall } from '../control/state-store.ts'
import { ProtocolError } from '../kosync/protocol-error.ts'
import type { Store } from '../store/store.ts'

/** A change of the format under way. */
export interface FormatChange {
  /** Resolves when files may change; never if the change was stopped. */
  whole: Promise<void>
  /** Aborts the backup, which the next start makes instead. Resolves when its work has ended. */
  stop: () => Promise<void>
}

/** Starts the work. It must resolve also if it fails. */
export function beginFormatChange(work: (signal: AbortSignal) => Promise<void>): FormatChange {
  const stopped = new AbortController()
  const done = work(stopped.signal)
  const never = new Promise<void>(() => undefined)
  const whole = done.then(() => (stopped.signal.aborted ? never : undefined))
  const stop = async (): Promise<void> => {
    stopped.abort()
    await done
  }
  return { whole, stop }
}

/** Methods that change nothing. */
const reads = new Set<string>([
  'getUser',
  'getRegistration',
  'getProgress',
  'listHistory',
  ...(['listUsers', 'listAccounts', 'getSummary', 'listDocuments', 'exportAccount', 'flush'] as const).map(adminCall),
])

/** Like holdChanges for commands, but without a limit: a change waits until the backup is complete or the command ends. */
export function holdCalls(call: Call, whole: Promise<void>): Call {
  return async (method, args) => {
    if (reads.has(method)) return await call(method, args)
    await whole
    return () => call(method, args)
  }
}

/** Milliseconds. */
const patience = {
  /** A reader gives up after 2 s of silence. @see PROTOCOL.md §4 */
  change: 1500,
  /** Shorter, because the log-in that upgrades a key waits for its hash as well. */
  upgrade: 300,
}

/** Seconds. Readers that are refused together must not come back together. */
const retryAfter = { min: 5, max: 30 }

/**
 * The store while the backup before a change of format is made: reads are served, and no file changes until `whole`
 * resolves. A change waits for it as long as a reader waits, then rejects with `unavailable`. A key that is only stored in
 * a stronger form is replaced when it has resolved; `onFailure` is told why one could not be. @see STORAGE.md §3, Older versions
 */
export function holdChanges(
  store: Store,
  whole: Promise<void>,
  onFailure: (error: unknown) => void,
  waitMs = patience,
): Store {
  let isWhole = false
  void whole.then(() => (isWhole = true))
  const after = async <T>(change: () => Promise<T>): Promise<T> => {
    if (!isWhole && !(await resolvesWithin(whole, waitMs.change))) {
      throw new ProtocolError('unavailable', jitter(), 'the backup before a change of format is being made')
    }
    return await change()
  }
  return {
    getUser: (username) => store.getUser(username),
    getRegistration: () => store.getRegistration(),
    getProgress: (account, document) => store.getProgress(account, document),
    listHistory: (account, document) => store.listHistory(account, document),
    createUser: (user) => after(() => store.createUser(user)),
    setKey: (account, key) => after(() => store.setKey(account, key)),
    deleteUser: (account) => after(() => store.deleteUser(account)),
    putProgress: (account, pushed) => after(() => store.putProgress(account, pushed)),
    addProgress: (account, record) => after(() => store.addProgress(account, record)),
    upgradeKey: async (account, current, key) => {
      const upgrade = (): Promise<void> => store.upgradeKey(account, current, key)
      if (isWhole || (await resolvesWithin(whole, waitMs.upgrade))) await upgrade()
      else void whole.then(upgrade).catch(onFailure)
    },
    close: () => store.close(),
  }
}

async function resolvesWithin(promise: Promise<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), ms)))
  try {
    return await Promise.race([promise.then(() => true), timeout])
  } finally {
    clearTimeout(timer)
  }
}

function jitter(): number {
  const { min, max } = retryAfter
  return min + Math.floor(Math.random() * (max - min + 1))
}
