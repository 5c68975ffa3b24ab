import { LRUCache } from 'lru-cache'
import type { CountedBooks } from './bridge-storage.ts'
import type { Client, Key } from './client.ts'
import { readEpub, type BookText } from './epub.ts'
import { isFailure, type Failure } from './failure.ts'
import { Lanes } from './lanes.ts'
import type { Ebook, Item } from './replies.ts'

/** The least time limit of an ebook, in milliseconds: it is longer than any other answer. */
const leastMs = 60_000

/** Failed attempts after which the book is mapped without its text. */
const mostTries = 3

/** Books kept in memory: the counts of one are up to some megabytes. */
const mostCached = 8

/** The counts of an EPUB. */
export interface Counted {
  /** The identity of the ebook. */
  of: string
  /** Undefined if the ebook cannot be read. */
  text?: BookText | undefined
}

/** The texts of EPUBs as counts. Each is read from Audiobookshelf once, and again if the file there changes. */
export class Books {
  readonly #kept: CountedBooks
  readonly #client: () => Client
  readonly #timeoutMs: () => number
  readonly #cache = new LRUCache<string, Counted>({ max: mostCached })
  readonly #tries = new LRUCache<string, number>({ max: 1000 })
  readonly #lanes = new Lanes()

  constructor(kept: CountedBooks, client: () => Client, timeoutMs: () => number) {
    this.#kept = kept
    this.#client = client
    this.#timeoutMs = timeoutMs
  }

  /** The counts; undefined if the item has no readable EPUB. */
  async get(key: Key, { id, ebook }: Item): Promise<BookText | undefined | Failure> {
    if (ebook?.format !== 'epub') return undefined
    return await this.#lanes.take(id, async () => {
      const of = `${ebook.ino} ${ebook.size} ${ebook.mtimeMs}`
      const known = this.#cache.get(id) ?? (await this.#kept.get(id))
      const counted = known?.of === of ? known : await this.#fetch(key, id, ebook, of)
      if (isFailure(counted)) return counted
      this.#cache.set(id, counted)
      return counted.text
    })
  }

  async #fetch(key: Key, id: string, ebook: Ebook, of: string): Promise<Counted | Failure> {
    const data = await this.#client().getEbook(key, id, ebook, Math.max(this.#timeoutMs(), leastMs))
    if (isFailure(data) && mayPass(data)) {
      const tries = (this.#tries.get(id) ?? 0) + 1
      this.#tries.set(id, tries)
      // Not kept: the next start tries again.
      return tries < mostTries ? data : { of }
    }
    // Not served: wrong settings may be corrected.
    if (!data) return { of }
    const counted: Counted = {
      of,
      text: isFailure(data) ? undefined : await readEpub(data).catch(() => undefined),
    }
    await this.#kept.put(id, counted)
    return counted
  }
}

/** Whether the request may succeed later. */
function mayPass({ kind, isOutage }: Failure): boolean {
  return isOutage || kind === 'serverError' || kind === 'refusedKey'
}
