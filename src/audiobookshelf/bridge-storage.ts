import type { Progress } from '../kosync/protocol.ts'
import { toFileName } from '../store/file-store/files/file-name.ts'
import type { Account, Store } from '../store/store.ts'
import type { Counted } from './books.ts'
import type { Entry } from './outbox.ts'
import type { BridgeEvent } from './parts.ts'

/** The storage of the bridge. */
export interface BridgeStorage {
  data: AccountData
  outbox: Outbox
  log: EventLog
  books: CountedBooks
  lanes: WorkLanes
}

/** Options of a storage. */
export interface StorageGround {
  store: Store
  now: () => number
  /** Called with errors of reads and writes. */
  onFailure: (error: unknown) => void
  /** Called with an invalid entry of the outbox. */
  onDamage: (error: unknown) => void
}

export type OpenStorage = (ground: StorageGround) => Promise<BridgeStorage>

/** Small JSON values of an account. The next account of the name does not get them. */
export interface AccountData {
  /** The value; undefined if there is none. */
  get: <T extends object>(account: Account, name: string) => Promise<T | undefined>
  /** Stores the value; resolves when it is durable. Undefined removes it. */
  put: (account: Account, name: string, value: object | undefined) => Promise<void>
  /** Stores the result of `change`; undefined keeps the value. */
  change: <T extends object>(
    account: Account,
    name: string,
    change: (before: T | undefined) => T | undefined,
  ) => Promise<void>
}

/** A prefix that toFileName never returns. */
const own = '_'

/** Names of values, which are valid file names. */
export const dataNames = {
  overlay: (document: string): string => `${toFileName(document)}.json`,
  item: (item: string): string => `${own}item-${toFileName(item)}.json`,
  links: `${own}links.json`,
  library: `${own}library.json`,
}

/** A small durable queue: the newest position of each user and document that Audiobookshelf does not have. */
export interface Outbox {
  /** The entries that this process knows of, and sends. */
  readonly entries: Entry[]
  /** All entries. */
  list: () => Promise<Entry[]>
  isWaiting: (account: Account, document: string) => Promise<boolean>
  /** Adds the entry in place of an older one of the user and document; resolves when it is durable. */
  put: (account: Account, record: Progress) => Promise<void>
  /** The entry as it is to be sent now; undefined if another process has sent or delayed it. */
  claim: (entry: Entry) => Promise<Entry | undefined>
  /** Delays the entry until then, unless a newer one has taken its place. */
  delay: (entry: Entry, due: number, tries?: number) => Promise<void>
  /** Removes the entry. A newer one of the user and document stays. */
  delete: (entry: Entry) => Promise<void>
  /** Removes the entries of a removed account. */
  deleteAccount: (account: Account) => Promise<void>
  /** Moves the entries of a renamed account. */
  rename: (account: Account, username: string) => Promise<void>
  /** Resolves when all earlier writes have succeeded or failed. */
  flush: () => Promise<void>
  /** Finds the entries of other processes; undefined without such processes. */
  refresh?: () => Promise<void>
}

/** One piece of work at a time for each key. */
export interface WorkLanes {
  /**
   * Waits so many milliseconds for another process that works on the key, then rejects with LaneBusy. The signal aborts when
   * another process may begin soon: then nothing more may be sent.
   */
  take: <T>(key: string, work: (signal?: AbortSignal) => Promise<T>, patienceMs?: number) => Promise<T>
}

/** Another process works on the key. */
export class LaneBusy extends Error {}

/** The log of the bridge's actions for each user, for people only. */
export interface EventLog {
  /** Adds an event; no caller waits for it. */
  add: (account: Account, event: BridgeEvent) => void
  /** The last 500 events, oldest first. */
  list: (account: Account) => Promise<(BridgeEvent & { time: number })[]>
}

/** The texts of EPUBs as counts, by item. */
export interface CountedBooks {
  /** The counts; undefined if there are none, or damaged ones. */
  get: (item: string) => Promise<Counted | undefined>
  /** Stores the counts. Never rejects: they can be made again. */
  put: (item: string, counted: Counted) => Promise<void>
}
