import type { Progress } from '../kosync/protocol.ts'
import { toFileName } from '../store/file-store/files/file-name.ts'
import type { Account, Store } from '../store/store.ts'
import type { Counted } from './books.ts'
import type { Entry } from './outbox.ts'
import type { BridgeEvent } from './parts.ts'

/** What the bridge keeps, and where. */
export interface BridgeStorage {
  data: AccountData
  outbox: Outbox
  log: EventLog
  books: CountedBooks
  lanes: WorkLanes
}

/** What a storage needs. */
export interface StorageGround {
  store: Store
  now: () => number
  /** Is told what cannot be read or written. */
  onFailure: (error: unknown) => void
  /** Is told of an entry of the outbox that is none. */
  onDamage: (error: unknown) => void
}

export type OpenStorage = (ground: StorageGround) => Promise<BridgeStorage>

/** Small JSON values of an account. The next account of the name does not get what the last one left. */
export interface AccountData {
  /** Undefined when there is none. */
  get: <T extends object>(account: Account, name: string) => Promise<T | undefined>
  /** Resolves when it is durable. Undefined removes it. */
  put: (account: Account, name: string, value: object | undefined) => Promise<void>
  /** Puts what `change` makes of it; undefined leaves it as it is. */
  change: <T extends object>(
    account: Account,
    name: string,
    change: (before: T | undefined) => T | undefined,
  ) => Promise<void>
}

/** Nothing that toFileName makes begins with it. */
const own = '_'

/** Names of values, each of which can be that of a file. */
export const dataNames = {
  overlay: (document: string): string => `${toFileName(document)}.json`,
  item: (item: string): string => `${own}item-${toFileName(item)}.json`,
  links: `${own}links.json`,
  library: `${own}library.json`,
}

/** A small durable queue: the newest position of each user and document that Audiobookshelf does not have. */
export interface Outbox {
  /** What this process knows of, and sends. */
  readonly entries: Entry[]
  /** All that waits. */
  list: () => Promise<Entry[]>
  isWaiting: (account: Account, document: string) => Promise<boolean>
  /** Resolves when it is durable; an older one of the same user and document goes. */
  put: (account: Account, record: Progress) => Promise<void>
  /** The entry as it is to be sent now; undefined when another process has sent it, or let it wait. */
  claim: (entry: Entry) => Promise<Entry | undefined>
  /** Lets it wait until then. Nothing when a newer one has taken its place. */
  delay: (entry: Entry, due: number, tries?: number) => Promise<void>
  /** It is done. A newer one of the same user and document stays. */
  delete: (entry: Entry) => Promise<void>
  /** The account is gone. */
  deleteAccount: (account: Account) => Promise<void>
  /** The account has another name. */
  rename: (account: Account, username: string) => Promise<void>
  /** Resolves when all that was put so far has been written, or could not be. */
  flush: () => Promise<void>
  /** Finds what other processes left; undefined where there are none. */
  refresh?: () => Promise<void>
}

/** One piece of work at a time for each key. */
export interface WorkLanes {
  /**
   * Rejects with LaneBusy when another process works on it, and does so for that many milliseconds. The signal tells that
   * another process may begin soon: then nothing more may be sent.
   */
  take: <T>(key: string, work: (signal?: AbortSignal) => Promise<T>, patienceMs?: number) => Promise<T>
}

/** Another process works on it. */
export class LaneBusy extends Error {}

/** What the bridge did for each user. For people: nothing depends on it. */
export interface EventLog {
  /** Nothing waits for it. */
  add: (account: Account, event: BridgeEvent) => void
  /** The last 500, oldest first. */
  list: (account: Account) => Promise<(BridgeEvent & { time: number })[]>
}

/** The texts of EPUBs as counts, by item. */
export interface CountedBooks {
  /** Undefined when there is none that can be read. */
  get: (item: string) => Promise<Counted | undefined>
  /** Never rejects: it can be counted again. */
  put: (item: string, counted: Counted) => Promise<void>
}
