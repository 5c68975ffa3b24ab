import type { Stats } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { LRUCache } from 'lru-cache'
import { unlessAbsent } from '../../error-code.ts'
import { openTrusted } from '../../trusted-file.ts'

/** A cached file is served without a look at the disk for this long, so an edit shows within a second. */
const trustedMs = 900

const maxBytes = 64 * 2 ** 20
const mostAbsent = 10_000

interface Entry<T> {
  path: string
  /** Undefined: there is no such file. */
  value: T | undefined
  identity: string
  /** performance.now() of the last look at the disk. */
  checked: number
}

/** Makes the value of the file's text; the text of what is no file (a folder, say) is empty. */
export type Parse<T> = (text: string, stats: Stats, path: string) => T | undefined | Promise<T | undefined>

/**
 * Files, parsed, as they are on the disk now or were less than a second ago. The key is what a caller has at hand: to
 * make a path of it at each look would take longer than the look.
 */
export class FileCache<T extends object> {
  readonly #parse: Parse<T>
  readonly #entries = new LRUCache<string, Entry<T>>({
    maxSize: maxBytes,
    dispose: ({ path }, key) => this.#removeFromFolder(path, key),
  })
  /** Keys without a file, apart: names that strangers make up must not push out what is there. */
  readonly #absent = new LRUCache<string, Entry<T>>({
    max: mostAbsent,
    dispose: ({ path }, key) => this.#removeFromFolder(path, key),
  })
  /** The keys of each folder's files: to forget a folder must not take longer the more accounts there are. */
  readonly #folders = new Map<string, Set<string>>()
  readonly #reads = new Map<string, Promise<T | undefined>>()
  /** How often something was forgotten. */
  #deletions = 0
  /** How often a value was at hand, and how often the disk was asked. */
  readonly looks = { hits: 0, misses: 0 }

  constructor(parse: Parse<T>) {
    this.#parse = parse
  }

  /** The value, if it is at hand and its file was looked at less than a second ago. */
  peek(key: string): T | undefined {
    const entry = this.#fresh(key)
    if (entry) this.looks.hits += 1
    return entry?.value
  }

  /** What the file at the path holds; undefined when there is none. Rejects as the file system or the parser does. */
  async get(key: string, path: string): Promise<T | undefined> {
    const entry = this.#fresh(key)
    if (entry?.path === path) {
      this.looks.hits += 1
      return entry.value
    }
    this.looks.misses += 1
    let read = this.#reads.get(path)
    if (!read) {
      read = this.#look(key, path).finally(() => this.#reads.delete(path))
      this.#reads.set(path, read)
    }
    return await read
  }

  /** Notes what was just written: the value and the stat of its file. */
  set(key: string, path: string, value: T | undefined, stats?: Stats): void {
    const entry = { path, value, identity: identity(stats), checked: performance.now() }
    this.#forget(key)
    if (value === undefined) this.#absent.set(key, entry)
    else this.#entries.set(key, entry, { size: 200 + key.length + path.length + (stats?.size ?? 0) })
    this.#addToFolder(path, key)
  }

  delete(key: string): void {
    this.#deletions += 1
    this.#forget(key)
  }

  /** Forgets all files of a folder. */
  deleteFolder(folder: string): void {
    this.#deletions += 1
    for (const key of this.#folders.get(folder) ?? []) this.#forget(key)
  }

  /** Forgets all. */
  clear(): void {
    this.#deletions += 1
    this.#entries.clear()
    this.#absent.clear()
  }

  #addToFolder(path: string, key: string): void {
    const folder = dirname(path)
    const keys = this.#folders.get(folder)
    if (keys) keys.add(key)
    else this.#folders.set(folder, new Set([key]))
  }

  #removeFromFolder(path: string, key: string): void {
    const folder = dirname(path)
    const keys = this.#folders.get(folder)
    keys?.delete(key)
    if (keys?.size === 0) this.#folders.delete(folder)
  }

  #forget(key: string): void {
    this.#entries.delete(key)
    this.#absent.delete(key)
  }

  /** The entry, if it is served without a look at the disk: never a stat on the event loop, as a disk may hang. */
  #fresh(key: string): Entry<T> | undefined {
    const entry = this.#entries.get(key) ?? this.#absent.get(key)
    return entry && performance.now() - entry.checked < trustedMs ? entry : undefined
  }

  /** The value that is known, unless the file is another one by now. */
  async #look(key: string, path: string): Promise<T | undefined> {
    const entry = this.#peek(key)
    if (entry?.path === path && (await isSame(entry)) && this.#peek(key) === entry) {
      entry.checked = performance.now()
      return entry.value
    }
    return await this.#read(key, path)
  }

  #peek(key: string): Entry<T> | undefined {
    return this.#entries.peek(key) ?? this.#absent.peek(key)
  }

  async #read(key: string, path: string): Promise<T | undefined> {
    const before = this.#peek(key)
    const deletions = this.#deletions
    const file = await unlessAbsent(readWithStats(path))
    const value = file && (await this.#parse(file.text, file.stats, path))
    const entry = this.#peek(key)
    // Written by ourselves while the disk answered: newer than what it said. Or the key was looked for at another path,
    // as an old account or record is: that says nothing of this one.
    if (entry !== before) return entry?.path === path ? entry.value : value
    // Else it may be what was there before, and somebody else's: for who asked, but not to be kept.
    if (deletions === this.#deletions) this.set(key, path, value, file?.stats)
    return value
  }
}

async function isSame({ path, identity: before }: Entry<unknown>): Promise<boolean> {
  try {
    return identity(await unlessAbsent(lstat(path))) === before
  } catch {
    // The read that follows tells why.
    return false
  }
}

/** The text and the stat of one and the same file, also when another one takes its place meanwhile. */
export async function readWithStats(path: string): Promise<{ text: string; stats: Stats }> {
  const file = await openTrusted(path)
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
