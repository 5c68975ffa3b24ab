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

/** A record of Audiobookshelf for the console. */
export interface ShownRecord {
  method: Method
  /** The title of the chapter that the listener is in; empty without one. */
  chapter: string
  /** When Audiobookshelf changed it, in milliseconds since 1970. */
  changed: number
}

/** The stored state of a user's item. */
export interface ItemState {
  shown?: ShownRecord | undefined
  agreed?: Agreed | undefined
  seen?: SeenRecord | undefined
  handedOut?: HandedOut | undefined
  held?: Held | undefined
  /** The time of the newest push that was sent, or stopped by a guard: in milliseconds since 1970. */
  decided?: number | undefined
}

/** An event in the bridge's log, for people. */
export interface BridgeEvent {
  what: 'pushed' | 'received' | 'held' | 'waits' | 'dropped' | 'failed' | 'linked' | 'obstacle' | 'setting changed'
  document?: string
  item?: string
  /** The guard that decided, or the failure of a request. */
  why?: string
  /** Positions as text: the reader's, and Audiobookshelf's. */
  reader?: string
  listener?: string
}

/** The parts that the sender and the pulls share. */
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
  /** Sends a reader's stored position, which is newer than that in Audiobookshelf. */
  send: (account: Account, record: Progress) => Promise<void>
  tell: (account: Account, event: BridgeEvent) => void
  onFailure: (error: unknown) => void
}

/** One request at a time for a user of Audiobookshelf and an item: users of kss may share a key. */
export function laneOf({ apiKey }: UserKey, item: string): string {
  return `${apiKey} ${item}`
}

/** Notes a failure of the server or the key. False for a failure of one item. */
export function noteFailure({ outage, access, settings }: Parts, username: string, failure: Failure): boolean {
  if (failure.isOutage) outage.failed(failure)
  if (failure.kind === 'serverError' || failure.kind === 'notJson') outage.complain(failure.text)
  const { users, defaultKey } = settings()
  const key = users.get(username) ?? defaultKey
  if (failure.kind === 'refusedKey' && key) access.refuse(key)
  return failure.isOutage || failure.kind === 'refusedKey'
}
