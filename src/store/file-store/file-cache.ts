import type { Stats } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { LRUCache } from 'lru-cache'
import { identityOf } from '../../durable.ts'
import { unlessAbsent } from '../../error-code.ts'
import { isYoung } from './files/is-young.ts'
import { openTrusted } from '../../trusted-file.ts'

/** A cached file is served without a look at the disk for this long, so an edit shows within a second. */
const trustedMs = 900

const maxBytes = 64 * 2 ** 20
const mostAbsent = 10_000

/** The identity of no file. */
const unsettled = 'unsettled'

interface Entry<T> {
  path: string
  /** Undefined: there is no such file. */
  value: T | undefined
  identity: string
  /** performance.now() of the last look at the disk. */
  checked: number
}

/** Parses the text of a file. For anything else, such as a folder, the text is empty. */
export type Parse<T> = (text: string, stats: Stats, path: string) => T | undefined | Promise<T | undefined>

/**
 * A cache of parsed files, at most a second old. Entries are found by a key that the caller has at hand, since building a
 * path takes longer than a lookup.
 */
export class FileCache<T extends object> {
  readonly #parse: Parse<T>
  readonly #entries = new LRUCache<string, Entry<T>>({
    maxSize: maxBytes,
    dispose: ({ path }, key) => this.#removeFromFolder(path, key),
  })
  /** Keys without a file, in a cache of their own: made-up names must not evict files. `max` would allocate all entries now. */
  readonly #absent = new LRUCache<string, Entry<T>>({
    maxSize: mostAbsent,
    sizeCalculation: () => 1,
    dispose: ({ path }, key) => this.#removeFromFolder(path, key),
  })
  /** The keys of each folder's files, so that forgetting a folder does not scan the whole cache. */
  readonly #folders = new Map<string, Set<string>>()
  readonly #reads = new Map<string, Promise<T | undefined>>()
  /** Counts deletions, so that a read that was in progress meanwhile is not cached. */
  #deletions = 0
  /** How often a value was at hand, and how often the disk was asked. */
  readonly looks = { hits: 0, misses: 0 }

  constructor(parse: Parse<T>) {
    this.#parse = parse
  }

  /** The cached value, if its file was checked less than a second ago. */
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
      const began = this.#look(key, path).finally(() => {
        if (this.#reads.get(path) === began) this.#reads.delete(path)
      })
      this.#reads.set(path, (read = began))
    }
    return await read
  }

  /** Caches a file that was just written; unless it is settled, it is read again after a second. */
  set(key: string, path: string, value: T | undefined, stats?: Stats, isSettled = true): void {
    const entry = { path, value, identity: isSettled ? identityOf(stats) : unsettled, checked: performance.now() }
    this.#forget(key)
    if (value === undefined) this.#absent.set(key, entry)
    else this.#entries.set(key, entry, { size: 200 + key.length + path.length + (stats?.size ?? 0) })
    this.#addToFolder(path, key)
  }

  delete(key: string): void {
    this.#noteDeletion()
    this.#forget(key)
  }

  /** Forgets all files of a folder. */
  deleteFolder(folder: string): void {
    this.#noteDeletion()
    for (const key of this.#folders.get(folder) ?? []) this.#forget(key)
  }

  /** Forgets all. */
  clear(): void {
    this.#noteDeletion()
    this.#entries.clear()
    this.#absent.clear()
  }

  /** What is being read may belong to an earlier account: nobody who asks later may get it. */
  #noteDeletion(): void {
    this.#deletions += 1
    this.#reads.clear()
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

  /** The entry, if it was checked recently. Never calls stat synchronously: a disk may hang. */
  #fresh(key: string): Entry<T> | undefined {
    const entry = this.#entries.get(key) ?? this.#absent.get(key)
    return entry && performance.now() - entry.checked < trustedMs ? entry : undefined
  }

  /** Returns the cached value if the file did not change, and reads the file otherwise. */
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
    // The entry changed during the read. At the same path it was just written, so it is newer than what was read. At
    // another path (the raw name of an older kss) it says nothing about this file.
    if (entry !== before) return entry?.path === path ? entry.value : value
    // After a deletion the value may belong to an earlier account: it is returned, but not cached.
    if (deletions === this.#deletions) this.set(key, path, value, file?.stats, !file || !isYoung(file.stats))
    return value
  }
}

async function isSame({ path, identity: before }: Entry<unknown>): Promise<boolean> {
  try {
    return identityOf(await unlessAbsent(lstat(path))) === before
  } catch {
    // The read that follows reports the error.
    return false
  }
}

/** The text and the stat of the same file, also if the path is replaced during the read. */
export async function readWithStats(path: string): Promise<{ text: string; stats: Stats }> {
  const file = await openTrusted(path)
  try {
    const stats = await file.stat()
    return { text: stats.isFile() ? await file.readFile('utf8') : '', stats }
  } finally {
    await file.close()
  }
}
