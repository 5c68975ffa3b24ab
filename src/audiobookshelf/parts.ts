import type { Progress } from '../kosync/protocol.ts'
import type { Account, Store } from '../store/store.ts'
import type { Access } from './access.ts'
import type { Books } from './books.ts'
import type { AccountData, Outbox, WorkLanes } from './bridge-storage.ts'
import type { Client } from './client.ts'
import type { Failure } from './failure.ts'
import type { Agreed, HandedOut, Held, SeenRecord } from './guards.ts'
import type { Items } from './items.ts'
import type { Library } from './library.ts'
import type { Links } from './links.ts'
import type { Method } from './mapping.ts'
import type { Outage } from './outage.ts'
import type { Settings, UserKey } from './settings.ts'

/** What the console shows of a record of Audiobookshelf. */
export interface ShownRecord {
  method: Method
  /** The title of the chapter that the listener is in; empty without one. */
  chapter: string
  /** Milliseconds since 1970, when Audiobookshelf changed it. */
  changed: number
}

/** What is kept of a user's item. */
export interface ItemState {
  shown?: ShownRecord | undefined
  agreed?: Agreed | undefined
  seen?: SeenRecord | undefined
  handedOut?: HandedOut | undefined
  held?: Held | undefined
  /** The time of the newest push that was sent, or stopped by a guard: in milliseconds since 1970. */
  decided?: number | undefined
}

/** Something that a person may want to know of. */
export interface BridgeEvent {
  what: 'pushed' | 'received' | 'held' | 'waits' | 'dropped' | 'failed' | 'linked' | 'obstacle' | 'setting changed'
  document?: string
  item?: string
  /** The guard that decided, or why a request gave nothing. */
  why?: string
  /** Positions as text: the reader's, and Audiobookshelf's. */
  reader?: string
  listener?: string
}

/** What the sender and the pulls work with. */
export interface Parts {
  store: Store
  data: AccountData
  access: Access
  links: Links
  library: Library
  books: Books
  items: Items
  outbox: Outbox
  outage: Outage
  lanes: WorkLanes
  client: () => Client
  settings: () => Settings
  now: () => number
  /** Sends what a reader left: it is newer than what Audiobookshelf has. */
  send: (account: Account, record: Progress) => Promise<void>
  tell: (account: Account, event: BridgeEvent) => void
  onFailure: (error: unknown) => void
}

/** One request at a time for a user of Audiobookshelf and an item: users of kss may share a key. */
export function laneOf({ apiKey }: UserKey, item: string): string {
  return `${apiKey} ${item}`
}

/** What a failure says of the server or the key. Whether it says so. */
export function noteFailure({ outage, access, settings }: Parts, username: string, failure: Failure): boolean {
  if (failure.isOutage) outage.failed(failure)
  if (failure.kind === 'serverError' || failure.kind === 'notJson') outage.complain(failure.text)
  const { users, defaultKey } = settings()
  const key = users.get(username) ?? defaultKey
  if (failure.kind === 'refusedKey' && key) access.refuse(key)
  return failure.isOutage || failure.kind === 'refusedKey'
}
