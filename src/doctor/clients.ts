import { clientOf } from '../client-address.ts'

/** The requests of an address for an account. */
interface Client {
  address: string
  pulls: number
  pushes: number
  /** Seconds since 1970. */
  first: number
  last: number
}

const [mostAccounts, mostOfAccount] = [10_000, 8]

/** A reader that pulled as often, over so many seconds, and never pushed, does not push at all. */
const [leastPulls, leastSeconds] = [3, 86_400]

/** The addresses from which accounts are used: at most 8 of each of at most 10,000 accounts, the newest. */
export class Clients {
  readonly #accounts = new Map<string, Map<string, Client>>()

  /** Counts a pull or a push of the account with the id. Runs for every sync, so it must be cheap. */
  count(id: string, address: string, isPush: boolean, now: number): void {
    const clients = this.#accounts.get(id) ?? addTo(this.#accounts, id, new Map<string, Client>(), mostAccounts)
    const client = clients.get(address) ?? addTo(clients, address, newClient(address, now), mostOfAccount)
    client.last = now
    if (isPush) client.pushes += 1
    else client.pulls += 1
  }

  /** The ids of the accounts with requests. */
  ids(): Iterable<string> {
    return this.#accounts.keys()
  }

  /** The addresses that only pulled positions of the account, for at least a day. */
  onlyPulls(id: string): Client[] {
    const readers = new Map<string, Client>()
    // A reader uses several addresses of its IPv6 network.
    for (const { address, pulls, pushes, first, last } of this.#accounts.get(id)?.values() ?? []) {
      const name = clientOf(address)
      const reader = readers.get(name) ?? newClient(name, first)
      readers.set(name, reader)
      reader.pulls += pulls
      reader.pushes += pushes
      reader.first = Math.min(reader.first, first)
      reader.last = Math.max(reader.last, last)
    }
    return [...readers.values()].filter(({ pulls, pushes, first, last }) => {
      return pushes === 0 && pulls >= leastPulls && last - first >= leastSeconds
    })
  }
}

function newClient(address: string, now: number): Client {
  return { address, pulls: 0, pushes: 0, first: now, last: now }
}

/** Adds the value, and removes the oldest one if there are more than so many. */
function addTo<T>(map: Map<string, T>, key: string, value: T, most: number): T {
  map.set(key, value)
  if (map.size > most) map.delete(map.keys().next().value!)
  return value
}
