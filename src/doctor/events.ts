/**
 * Requests that kss could not serve, as events in memory, for `kss doctor` and the console. They are never written to the
 * disk, and end with the process.
 *
 * An event is kept under the id of the account that it belongs to, else in one record of the operator. Events of one kind,
 * address and name are one event with a count. An account has at most 100 events, 20 of them by strangers who tried its
 * name; there are at most 10,000 accounts, with 100,000 events together; the operator's record has at most 500 events, 20
 * of one address. The least recent go first.
 *
 * No key, password, header or body is in an event. A name is cut to 64 characters.
 */
import { clientOf } from '../client-address.ts'
import { Clients } from './clients.ts'

/** The kind of an event; sentences.ts has the words. */
export type EventKind =
  // Refused log-ins and registrations.
  | 'wrongPassword'
  | 'wrongSignIn'
  | 'disabled'
  | 'unknownUser'
  | 'noCredentials'
  | 'tooManyAttempts'
  | 'nameTaken'
  | 'registrationClosed'
  | 'tooManyRegistrations'
  // Requests for unknown paths.
  | 'noBasePath'
  | 'otherBasePath'
  | 'otherProtocol'
  | 'wrongPath'
  | 'redirected'
  // Troubles between the reader and the server.
  | 'tls'
  | 'plainHttp'
  | 'httpProxy'
  | 'otherHost'
  | 'unknownProxy'
  | 'tooManyConnections'
  // Refused bodies.
  | 'notJson'
  | 'badField'
  | 'bodyTooLarge'
  | 'quotaReached'
  // Failures of the server.
  | 'diskFull'
  | 'unavailable'
  | 'serverFailed'
  // Readers that do only one half of a sync.
  | 'onlyPulls'

export interface HeardEvent {
  kind: EventKind
  /** The client's address, or the /64 network of an IPv6 address. */
  address: string
  /** The name that was tried; empty if there was none, and in the events of an account. */
  user: string
  /** A further part of the kind, such as a path or a field; of the latest event. */
  detail: string
  count: number
  /** Seconds since 1970. */
  first: number
  last: number
}

/** An event without its time and count. */
export type NewEvent = Pick<HeardEvent, 'kind' | 'address'> & Partial<Pick<HeardEvent, 'user' | 'detail'>>

/** The events of this process. */
export interface Heard {
  /** When it began to listen, in seconds since 1970. */
  since: number
  /** KSS_BASE_PATH, which some sentences name. */
  basePath: string
  /** The latest first. */
  events: HeardEvent[]
}

const most = { ofAccount: 100, ofStrangers: 20, accounts: 10_000, ofAccounts: 100_000, ofOperator: 500, ofAddress: 20 }

/** Characters of a name, an address or a detail. */
const longest = 64

/** Kinds that anybody can cause who knows the name of an account. */
const ofStrangers = new Set<EventKind>(['wrongPassword', 'wrongSignIn', 'disabled'])

/** The events of a process. */
export class Events {
  readonly #basePath: string
  /** Milliseconds since 1970. */
  readonly #now: () => number
  readonly #since: number
  readonly #ofAccounts = new Map<string, Map<string, HeardEvent>>()
  /** The number of all events. */
  #total = 0
  readonly #ofOperator = new Map<string, HeardEvent>()
  readonly #clients = new Clients()

  constructor({ basePath = '', now = Date.now }: { basePath?: string; now?: () => number } = {}) {
    this.#basePath = basePath
    this.#now = now
    this.#since = this.#seconds()
  }

  /** Keeps an event without an account. */
  add(event: NewEvent): void {
    const events = this.#ofOperator
    const { address } = merge(events, event, this.#seconds())
    dropOldestOf(events, most.ofAddress, (each) => each.address === address)
    dropOldest(events, most.ofOperator)
  }

  /** Keeps an event of the account with the id. */
  addTo(id: string, event: NewEvent): void {
    const events = this.#ofAccounts.get(id) ?? new Map<string, HeardEvent>()
    const before = events.size
    merge(events, event, this.#seconds())
    dropOldestOf(events, most.ofStrangers, ({ kind }) => ofStrangers.has(kind))
    dropOldest(events, most.ofAccount)
    this.#total += events.size - before
    this.#ofAccounts.delete(id)
    this.#ofAccounts.set(id, events)
    if (this.#ofAccounts.size > most.accounts || this.#total > most.ofAccounts) this.#dropAccount()
  }

  /** Counts a pull or a push of the account with the id. */
  count(id: string, address: string, isPush: boolean): void {
    this.#clients.count(id, address, isPush, this.#seconds())
  }

  /** The events of the account with the id; without an id, those that belong to no account. */
  list(id?: string): Heard {
    const events = id === undefined ? this.#ofOperator : this.#ofAccounts.get(id)
    const all = [...(events?.values() ?? []), ...(id === undefined ? [] : this.#onlyPulls(id))]
    const sorted = all.toReversed().toSorted((one, other) => other.last - one.last)
    return { since: this.#since, basePath: this.#basePath, events: sorted }
  }

  /** The number of events of each account, by its id. */
  counts(): Record<string, number> {
    const ids = new Set([...this.#ofAccounts.keys(), ...this.#clients.ids()])
    const counts = [...ids].map((id) => [id, this.list(id).events.length] as const)
    return Object.fromEntries(counts.filter(([, count]) => count > 0))
  }

  #dropAccount(): void {
    const [id, { size }] = this.#ofAccounts.entries().next().value!
    this.#ofAccounts.delete(id)
    this.#total -= size
  }

  #onlyPulls(id: string): HeardEvent[] {
    return this.#clients.onlyPulls(id).map(({ address, pulls: count, first, last }) => {
      return { kind: 'onlyPulls', address: cut(address), user: '', detail: '', count, first, last }
    })
  }

  #seconds(): number {
    return Math.floor(this.#now() / 1000)
  }
}

/** Puts the event at the end of the map. */
function merge(events: Map<string, HeardEvent>, { kind, ...event }: NewEvent, last: number): HeardEvent {
  const [address, user, detail] = [cut(clientOf(event.address)), cut(event.user ?? ''), cut(event.detail ?? '')]
  const key = JSON.stringify([kind, address, user])
  const { count, first } = events.get(key) ?? { count: 0, first: last }
  const merged = { kind, address, user, detail, count: count + 1, first, last }
  events.delete(key)
  events.set(key, merged)
  return merged
}

/** Removes the oldest entry of a map that has more than so many. */
function dropOldest(map: Map<string, unknown>, limit: number): void {
  if (map.size > limit) map.delete(map.keys().next().value!)
}

/** Removes the oldest of the entries that count if there are more than so many. */
function dropOldestOf(events: Map<string, HeardEvent>, limit: number, counts: (event: HeardEvent) => boolean): void {
  const keys: string[] = []
  for (const [key, event] of events) if (counts(event)) keys.push(key)
  if (keys.length > limit) events.delete(keys[0]!)
}

function cut(text: string): string {
  return text.slice(0, longest).toWellFormed()
}
