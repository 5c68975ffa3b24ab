import type { Stats } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
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

  /** Undefined when there is no such file; rejects as the file system or the parser does. */
  get(path: string): Promise<T | undefined> | T | undefined {
    const entry = this.#entries.get(path)
    if (entry && performance.now() - entry.checked < trustedMs) return entry.value
    let read = this.#reads.get(path)
    if (!read) {
      read = this.#check(path, entry).finally(() => this.#reads.delete(path))
      this.#reads.set(path, read)
    }
    return read
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

  async #check(path: string, entry: Entry<T> | undefined): Promise<T | undefined> {
    const stats = await unlessAbsent(stat(path))
    // Written by ourselves while the disk answered: newer than what it said.
    const now = this.#entries.peek(path)
    if (now !== entry) return now?.value
    if (entry && entry.identity === identity(stats)) {
      entry.checked = performance.now()
      return entry.value
    }
    const text = stats && (stats.isFile() ? await unlessAbsent(readFile(path, 'utf8')) : '')
    const value = text === undefined ? undefined : await this.#parse(text, stats!, path)
    if (this.#entries.peek(path) === entry) this.set(path, value, stats)
    return value
  }
}

/** Equal as long as nobody replaced or edited the file. A rename keeps all three. */
function identity(stats: Stats | undefined): string {
  return stats ? `${stats.ino} ${stats.size} ${stats.mtimeMs}` : ''
}
