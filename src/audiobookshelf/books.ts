import { join } from 'node:path'
import { LRUCache } from 'lru-cache'
import { makeFolder, replaceFile } from '../durable.ts'
import { unlessAbsent } from '../error-code.ts'
import { toFileName } from '../store/file-store/files/file-name.ts'
import { bridgeFolder } from '../store/file-store/files/folder-names.ts'
import { readTrusted } from '../trusted-file.ts'
import type { Client, Key } from './client.ts'
import { readEpub, type BookText } from './epub.ts'
import { isFailure, type Failure } from './failure.ts'
import { Lanes } from './lanes.ts'
import type { Ebook, Item } from './replies.ts'

/** In the folder of the bridge: the counts of each EPUB, by item. */
export const booksFolder = 'books'

/** Milliseconds that an ebook has at least: it is longer than any other answer. */
const leastMs = 60_000

/** Failed tries after which the book does without. */
const mostTries = 3

/** Books kept in memory: the counts of one are up to some megabytes. */
const mostCached = 8

interface Counted {
  /** Which ebook it was. */
  of: string
  /** Undefined when it cannot be read. */
  text?: BookText | undefined
}

/** The texts of EPUBs as counts. Each is read once from Audiobookshelf, and again when the file there is another one. */
export class Books {
  readonly #folder: string
  readonly #client: () => Client
  readonly #timeoutMs: () => number
  readonly #onDamage: (error: unknown) => void
  readonly #cache = new LRUCache<string, Counted>({ max: mostCached })
  readonly #tries = new LRUCache<string, number>({ max: 1000 })
  readonly #lanes = new Lanes()

  constructor(dir: string, client: () => Client, timeoutMs: () => number, onDamage: (error: unknown) => void) {
    this.#folder = join(dir, bridgeFolder, booksFolder)
    this.#client = client
    this.#timeoutMs = timeoutMs
    this.#onDamage = onDamage
  }

  /** Undefined when the item has no EPUB, or none that can be read. */
  async get(key: Key, { id, ebook }: Item): Promise<BookText | undefined | Failure> {
    if (ebook?.format !== 'epub') return undefined
    return await this.#lanes.take(id, async () => {
      const of = `${ebook.ino} ${ebook.size} ${ebook.mtimeMs}`
      const known = this.#cache.get(id) ?? (await this.#load(id))
      const counted = known?.of === of ? known : await this.#fetch(key, id, ebook, of)
      if (isFailure(counted)) return counted
      this.#cache.set(id, counted)
      return counted.text
    })
  }

  async #load(id: string): Promise<Counted | undefined> {
    try {
      const text = await unlessAbsent(readTrusted(this.#pathOf(id)))
      return text === undefined ? undefined : (JSON.parse(text) as Counted)
    } catch (error) {
      // It is read from Audiobookshelf again.
      this.#onDamage(error)
      return undefined
    }
  }

  async #fetch(key: Key, id: string, ebook: Ebook, of: string): Promise<Counted | Failure> {
    const data = await this.#client().getEbook(key, id, ebook, Math.max(this.#timeoutMs(), leastMs))
    if (isFailure(data) && mayPass(data)) {
      const tries = (this.#tries.get(id) ?? 0) + 1
      this.#tries.set(id, tries)
      // Not kept: the next start tries again.
      return tries < mostTries ? data : { of }
    }
    // Not served: what is set up wrong may be set right.
    if (!data) return { of }
    const counted: Counted = {
      of,
      text: isFailure(data) ? undefined : await readEpub(data).catch(() => undefined),
    }
    await makeFolder(this.#folder)
    await replaceFile(this.#pathOf(id), JSON.stringify(counted)).catch(this.#onDamage)
    return counted
  }

  #pathOf(id: string): string {
    return join(this.#folder, `${toFileName(id)}.json`)
  }
}

/** Whether the same request may have another answer later. */
function mayPass({ kind, isOutage }: Failure): boolean {
  return isOutage || kind === 'serverError' || kind === 'refusedKey'
}
