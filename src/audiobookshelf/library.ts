import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import pLimit from 'p-limit'
import { filenameMd5, offsets, sampleBytes } from '../document-id.ts'
import type { Account } from '../store/store.ts'
import { dataNames, type AccountData } from './bridge-storage.ts'
import { pageSize, type Client, type Key } from './client.ts'
import { isFailure, type Failure } from './failure.ts'
import type { Ebook, Item } from './replies.ts'
import { isItemId } from './settings.ts'

/** An item with an ebook that a user may see. */
export interface LibraryItem {
  id: string
  title: string
  author: string
  hasAudio: boolean
  /** The identity of the file. */
  of: string
  /** KOReader's id of the file; empty if the file cannot be read. */
  digest: string
  /** KOReader's id of the file's name. */
  fileMd5: string
}

interface Kept {
  /** Milliseconds since 1970. */
  refreshed: number
  items: LibraryItem[]
}

export interface LibraryOptions {
  data: AccountData
  client: () => Client
  now: () => number
  /** Milliseconds between the starts of two requests. */
  spacingMs?: number
}

const dayMs = 86_400_000

/** The most pages of a listing. */
const mostPages = 1000

/** The ebooks of Audiobookshelf by the ids that KOReader gives them. Each file is read once. */
export class Library {
  readonly #options: LibraryOptions
  /** Two requests at a time. */
  readonly #limit = pLimit(2)
  #next = 0
  /** Digests by item and file: several users may see an item. */
  readonly #digests = new LRUCache<string, string>({ max: 10_000 })

  constructor(options: LibraryOptions) {
    this.#options = options
  }

  /** The item with the digest; of several, the one with audio. Undefined if there is none, or the choice is unclear. */
  async findByDigest(account: Account, digest: string): Promise<LibraryItem | undefined> {
    const same = (await this.list(account)).filter((item) => item.digest === digest && digest !== '')
    const [only, ...others] = same.length > 1 ? same.filter(({ hasAudio }) => hasAudio) : same
    return others.length > 0 ? undefined : only
  }

  /** The library as it was read last. */
  async list(account: Account): Promise<LibraryItem[]> {
    return (await this.#read(account))?.items ?? []
  }

  /** Whether the last full read is a day old. */
  async isOld(account: Account): Promise<boolean> {
    const kept = await this.#read(account)
    return !kept || this.#options.now() >= kept.refreshed + dayMs
  }

  /**
   * Reads the user's items with at most 20 requests a second; `onlyNew` skips known items. Resolves to the items, or to the
   * failure: then the items that were read are kept.
   */
  async refresh(account: Account, key: Key, onlyNew = false): Promise<LibraryItem[] | Failure> {
    const { client, data, now } = this.#options
    const kept = await this.#read(account)
    const before = new Map(kept?.items.map((item) => [item.id, item]))
    const libraries = await this.#ask(() => client().listLibraries(key))
    if (isFailure(libraries)) return libraries
    const items: LibraryItem[] = []
    let failure: Failure | undefined
    for (const { id } of libraries) {
      const ids = await this.#listIds(key, id)
      if (isFailure(ids)) return ids
      const look = async (each: string): Promise<LibraryItem | undefined> => {
        const known = before.get(each)
        if (failure || (onlyNew && known)) return known
        const found = await this.#look(key, each, known)
        if (!isFailure(found)) return found
        failure = found
        return known
      }
      const found = await Promise.all(ids.map(look))
      items.push(...found.filter((each) => each !== undefined))
    }
    const refreshed = failure || onlyNew ? (kept?.refreshed ?? 0) : now()
    await data.put(account, dataNames.library, { refreshed, items } satisfies Kept)
    return failure ?? items
  }

  async #listIds(key: Key, library: string): Promise<string[] | Failure> {
    const ids: string[] = []
    for (let page = 0; page < mostPages; page += 1) {
      const listed = await this.#ask(() => this.#options.client().listEbookItems(key, library, page))
      if (isFailure(listed)) return listed
      ids.push(...listed.ids.filter(isItemId))
      if (listed.ids.length === 0 || (page + 1) * pageSize >= listed.total) break
    }
    return ids
  }

  async #look(key: Key, id: string, before: LibraryItem | undefined): Promise<LibraryItem | undefined | Failure> {
    const item = await this.#ask(() => this.#options.client().getItem(key, id))
    // An item that was removed meanwhile does not end the read.
    if (isFailure(item)) return item.isOutage || item.kind === 'refusedKey' ? item : undefined
    if (!item.isBook || !item.ebook || item.isMissing) return undefined
    const { ebook, title, author } = item
    const of = `${ebook.ino} ${ebook.size} ${ebook.mtimeMs}`
    const name = `${id} ${of}`
    const known = (before?.of === of && before.digest) || this.#digests.get(name)
    const digest = known ?? (await this.#digest(key, item, ebook))
    if (isFailure(digest)) return digest
    if (digest !== '') this.#digests.set(name, digest)
    return { id, title, author, hasAudio: item.duration > 0, of, digest, fileMd5: filenameMd5(ebook.fileName) }
  }

  /** The digest; empty if the file is not served. */
  async #digest(key: Key, { id }: Item, { size }: Ebook): Promise<string | Failure> {
    const hash = createHash('md5')
    for (const from of offsets) {
      // A range past the end is an error.
      if (from >= size) break
      const part = await this.#ask(() =>
        this.#options.client().getEbookPart(key, id, from, Math.min(from + sampleBytes, size)),
      )
      if (isFailure(part) && (part.isOutage || part.kind === 'refusedKey')) return part
      if (isFailure(part) || !part) return ''
      hash.update(part)
    }
    return hash.digest('hex')
  }

  async #ask<T>(request: () => Promise<T>): Promise<T> {
    const { spacingMs = 50 } = this.#options
    return await this.#limit(async () => {
      const wait = this.#next - performance.now()
      this.#next = Math.max(this.#next, performance.now()) + spacingMs
      if (wait > 0) await sleep(wait)
      return await request()
    })
  }

  async #read(account: Account): Promise<Kept | undefined> {
    return await this.#options.data.get<Kept>(account, dataNames.library)
  }
}
