import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { LRUCache } from 'lru-cache'
import type { Progress } from '../../kosync/protocol.ts'
import { authFile } from './files/auth-file.ts'
import { unlessAbsent } from '../../error-code.ts'
import type { Quota } from '../store.ts'

/** A new document would be more than its account may keep. `code` is `QUOTA_REACHED`. */
export class QuotaReached extends Error {
  readonly code = 'QUOTA_REACHED'

  constructor(username: string) {
    super(`The account ${username} keeps as much as it may.`)
  }
}

/** Milliseconds after which an account is counted anew: a history may have been pruned, files may have been edited. */
const countedMs = 10 * 60_000

/** Bytes that an account may push before it is counted: most accounts that push to known documents never are. */
const uncountedBytes = 2 ** 20

/** Bounds of a cache, in accounts. With `max`, an LRUCache allocates all entries when it is created: 2 ms of the start. */
const cacheBounds = { maxSize: 10_000, sizeCalculation: () => 1 }

/** The number of documents and bytes of each account: counted on first use, then updated with each push. */
export class Usage {
  readonly #counts = new LRUCache<string, Quota>({ ...cacheBounds, ttl: countedMs })
  readonly #counting = new Map<string, Promise<Quota>>()
  /** New documents whose pushes are under way, by their keys: several pushes of one count once. */
  readonly #adding = new Map<string, Promise<void>>()
  /** Bytes that were pushed by accounts that are not counted. */
  readonly #pushed = new LRUCache<string, number>(cacheBounds)

  /** Makes room for a new document in the folder, until `added`. `key` is the document's. Rejects with QuotaReached. */
  addDocument(folder: string, key: string, quota: Quota, username: string): Promise<void> {
    const before = this.#adding.get(key)
    if (before) return before
    const adding = this.#addDocument(folder, quota, username)
    this.#adding.set(key, adding)
    adding.catch(() => this.added(key))
    return adding
  }

  /** The document is stored, or could not be. */
  added(key: string): void {
    this.#adding.delete(key)
  }

  async #addDocument(folder: string, { documents, bytes }: Quota, username: string): Promise<void> {
    if (documents === 0 && bytes === 0) return
    const count = this.#counts.get(folder) ?? (await this.#count(folder))
    const isFull = (documents > 0 && count.documents >= documents) || (bytes > 0 && count.bytes >= bytes)
    if (isFull) throw new QuotaReached(username)
    count.documents += 1
  }

  /**
   * Counts a push. True if the account has reached its quota of bytes: then the position is stored, but not added to the
   * history.
   */
  addPush(folder: string, progress: Progress, { bytes }: Quota): boolean {
    if (bytes === 0) return false
    const pushed = rowBytes(progress)
    const count = this.#counts.get(folder)
    if (count) {
      count.bytes += pushed
      return count.bytes > bytes
    }
    const sum = (this.#pushed.get(folder) ?? 0) + pushed
    this.#pushed.set(folder, sum)
    // A failed count is repeated with a later push.
    if (sum > uncountedBytes) this.#count(folder).catch(() => undefined)
    return false
  }

  /** Drops the count, after files of the folder were changed otherwise than by pushes. */
  forget(folder: string): void {
    this.#counts.delete(folder)
    this.#counting.delete(folder)
  }

  #count(folder: string): Promise<Quota> {
    const before = this.#counting.get(folder)
    if (before) return before
    // False once the count is forgotten.
    const isCurrent = (): boolean => this.#counting.get(folder) === counting
    const counting = countFiles(folder)
      .then((count) => {
        if (isCurrent()) {
          this.#counts.set(folder, count)
          this.#pushed.delete(folder)
        }
        return count
      })
      .finally(() => isCurrent() && this.#counting.delete(folder))
    this.#counting.set(folder, counting)
    return counting
  }
}

/** The approximate size of the push as a line of the history, without formatting it. */
function rowBytes({ document, progress, device, device_id = '', metadata = {} }: Progress): number {
  const texts = [document, progress, device, device_id, ...Object.values(metadata)]
  return texts.reduce((sum, text) => sum + String(text).length, 120)
}

/** One file at a time: counts are rare, and pushes need the disk. */
async function countFiles(folder: string): Promise<Quota> {
  const count = { documents: 0, bytes: 0 }
  for (const part of [folder, join(folder, 'history')]) {
    const names = (await unlessAbsent(readdir(part))) ?? []
    for (const name of names) {
      const stats = await unlessAbsent(stat(join(part, name)))
      if (!stats?.isFile()) continue
      count.bytes += stats.size
      if (part === folder && name.endsWith('.json') && name !== authFile) count.documents += 1
    }
  }
  return count
}
