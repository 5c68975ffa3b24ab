import { LRUCache } from 'lru-cache'
import type { Account } from '../store/store.ts'
import type { Client, Key } from './client.ts'
import { isFailure, type Failure } from './failure.ts'
import type { Item } from './replies.ts'

/** Milliseconds for which an item is believed to be as it was. */
const believedMs = 600_000

/** The items that a user may see, asked for with the user's own key. */
export class Items {
  readonly #client: () => Client
  readonly #now: () => number
  readonly #cache = new LRUCache<string, { item: Item; read: number }>({ max: 1000 })

  constructor(client: () => Client, now: () => number) {
    this.#client = client
    this.#now = now
  }

  /** `ageMs`: the oldest answer that will do, in milliseconds. */
  async get(account: Account, key: Key, id: string, ageMs = believedMs): Promise<Item | Failure> {
    const name = `${account.id} ${id} ${key.apiKey}`
    const known = this.#cache.get(name)
    if (known && this.#now() < known.read + ageMs) return known.item
    const item = await this.#client().getItem(key, id)
    if (!isFailure(item)) this.#cache.set(name, { item, read: this.#now() })
    return item
  }

  /** Everything is asked for again. */
  forget(): void {
    this.#cache.clear()
  }
}
