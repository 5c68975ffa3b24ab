import { constants, statSync, type Stats } from 'node:fs'
import { open } from 'node:fs/promises'
import { sep } from 'node:path'
import { LRUCache } from 'lru-cache'
import { unlessAbsent } from './error-code.ts'

/** A cached file is served without a look at the disk for this long, so an edit shows within a second. */
const trustedMs = 900

const maxBytes = 64 * 2 ** 20

interface Entry<T> {
  /** Undefined: there is no such file. */
  value: T | undefined
  identity: string
  /** performance.now() of the last look at the disk. */
  checked: number
}

/** Makes the value of the file's text; the text of what is no file (a folder, say) is empty. */
export type Parse<T> = (text: string, stats: Stats, path: string) => T | undefined | Promise<T | undefined>

/** Files, parsed, as they are on the disk now or were less than a second ago. */
export class FileCache<T extends object> {
  readonly #parse: Parse<T>
  readonly #entries = new LRUCache<string, Entry<T>>({ maxSize: maxBytes })
  readonly #reads = new Map<string, Promise<T | undefined>>()

  constructor(parse: Parse<T>) {
    this.#parse = parse
  }

  /** The value, if it is at hand and nobody changed the file. */
  peek(path: string): T | undefined {
    return this.#fresh(path)?.value
  }

  /** Undefined when there is no such file; rejects as the file system or the parser does. */
  async get(path: string): Promise<T | undefined> {
    const entry = this.#fresh(path)
    if (entry) return entry.value
    let read = this.#reads.get(path)
    if (!read) {
      read = this.#read(path).finally(() => this.#reads.delete(path))
      this.#reads.set(path, read)
    }
    return await read
  }

  /** Notes what was just written: the value and the stat of its file. */
  set(path: string, value: T | undefined, stats?: Stats): void {
    const entry = { value, identity: identity(stats), checked: performance.now() }
    this.#entries.set(path, entry, { size: 200 + path.length + (stats?.size ?? 0) })
  }

  /** Forgets the folder and all that was in it. */
  forget(folder: string): void {
    for (const path of this.#entries.keys()) {
      if (path.startsWith(folder + sep)) this.#entries.delete(path)
    }
  }

  /**
   * The entry, unless the file is another one by now. One stat a second, of a file that was just in use and so in the
   * memory of the kernel, takes microseconds; in the thread pool it would take a hundred times as long.
   */
  #fresh(path: string): Entry<T> | undefined {
    const entry = this.#entries.get(path)
    const now = performance.now()
    if (!entry || now - entry.checked < trustedMs) return entry
    try {
      if (identity(statSync(path, { throwIfNoEntry: false })) !== entry.identity) return undefined
    } catch {
      return undefined // the read that follows tells why
    }
    entry.checked = now
    return entry
  }

  async #read(path: string): Promise<T | undefined> {
    const before = this.#entries.peek(path)
    const file = await unlessAbsent(readWithStats(path))
    const value = file && (await this.#parse(file.text, file.stats, path))
    // Written by ourselves while the disk answered: newer than what it said.
    if (this.#entries.peek(path) !== before) return this.peek(path)
    this.set(path, value, file?.stats)
    return value
  }
}

/** The text and the stat of one and the same file, also when another one takes its place meanwhile. */
async function readWithStats(path: string): Promise<{ text: string; stats: Stats }> {
  // Opening a pipe would wait for who writes into it.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stats = await file.stat()
    return { text: stats.isFile() ? await file.readFile('utf8') : '', stats }
  } finally {
    await file.close()
  }
}

/** Equal as long as nobody replaced or edited the file. A rename keeps all three. */
function identity(stats: Stats | undefined): string {
  return stats ? `${stats.ino} ${stats.size} ${stats.mtimeMs}` : ''
}
