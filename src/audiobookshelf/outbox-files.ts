import { createHash } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Batcher } from '../batcher.ts'
import { makeFolder, replaceUnflushed, setAside, syncFolder } from '../durable.ts'
import type { Progress } from '../kosync/protocol.ts'
import type { Account } from '../store/store.ts'
import { bridgeFolder } from '../store/file-store/files/folder-names.ts'
import { readTrusted } from '../trusted-file.ts'
import type { Outbox } from './bridge-storage.ts'
import { entryOf, readEntry, type Entry } from './outbox.ts'

/** In the folder of the bridge. */
export const outboxFolder = 'outbox'

/**
 * `<KSS_DIR>/.audiobookshelf/outbox/`, one file for each user and document. A newer position
 * takes the place of a waiting one. Survives restarts and crashes; the file of an entry goes when it is done.
 */
export class OutboxFiles implements Outbox {
  readonly #folder: string
  readonly #entries = new Map<string, Entry>()
  /** The names of files to be written; resolves to the failure, if any. */
  readonly #writes = new Batcher<string, { failure: unknown } | undefined>((_key, names) => this.#write(names))

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** Reads the entries of an earlier process; damaged ones are set aside and reported. */
  static async open(dir: string, onDamage: (error: unknown) => void): Promise<OutboxFiles> {
    await makeFolder(join(dir, bridgeFolder))
    const folder = join(dir, bridgeFolder, outboxFolder)
    await makeFolder(folder)
    const outbox = new OutboxFiles(folder)
    for (const name of await readdir(folder)) {
      if (!/^[\da-f]{32}\.json$/.test(name)) continue
      const path = join(folder, name)
      try {
        outbox.#entries.set(name, readEntry(await readTrusted(path)))
      } catch (error) {
        onDamage(error)
        await setAside(path).catch(onDamage)
      }
    }
    return outbox
  }

  get entries(): Entry[] {
    return [...this.#entries.values()]
  }

  async list(): Promise<Entry[]> {
    return this.entries
  }

  async isWaiting({ id }: Account, document: string): Promise<boolean> {
    return this.entries.some((entry) => entry.account === id && entry.document === document)
  }

  async put(account: Account, record: Progress): Promise<void> {
    const entry = entryOf(account, record)
    await this.#set(keyOf(entry), entry)
  }

  /** Whether the entry is still the newest of its user and document. */
  has(entry: Entry): boolean {
    return this.#entries.get(keyOf(entry)) === entry
  }

  /** The entry itself: no other process sends it. */
  async claim(entry: Entry): Promise<Entry> {
    return entry
  }

  async delay(entry: Entry, due: number, tries = entry.tries): Promise<void> {
    if (this.has(entry)) await this.#set(keyOf(entry), Object.assign(entry, { due, tries }))
  }

  async delete(entry: Entry): Promise<void> {
    if (this.has(entry)) await this.#set(keyOf(entry), undefined)
  }

  async deleteAccount({ id }: Account): Promise<void> {
    const gone = this.entries.filter((entry) => entry.account === id)
    await Promise.all(gone.map((entry) => this.delete(entry)))
  }

  async rename({ id }: Account, username: string): Promise<void> {
    const own = this.entries.filter((entry) => entry.account === id)
    await Promise.all(own.map((entry) => this.#set(keyOf(entry), Object.assign(entry, { username }))))
  }

  async flush(): Promise<void> {
    await this.#writes.drained('')
  }

  async #set(key: string, entry: Entry | undefined): Promise<void> {
    if (entry) this.#entries.set(key, entry)
    else this.#entries.delete(key)
    const failed = await this.#writes.add('', key)
    if (failed) throw failed.failure
  }

  /**
   * Writes the newest entries, one file after the other, and flushes their folder once: readers wait for the flushes of
   * pushes on the same disk.
   */
  async #write(names: string[]): Promise<({ failure: unknown } | undefined)[]> {
    const failed = new Map<string, { failure: unknown }>()
    for (const name of new Set(names)) {
      await this.#writeFile(name).catch((failure: unknown) => failed.set(name, { failure }))
    }
    await syncFolder(this.#folder)
    return names.map((name) => failed.get(name))
  }

  async #writeFile(name: string): Promise<void> {
    const path = join(this.#folder, name)
    const entry = this.#entries.get(name)
    if (entry) await replaceUnflushed(path, `${JSON.stringify(entry)}\n`, (file) => file.sync())
    else await rm(path, { force: true })
  }
}

/** The name of the entry's file; a hash, since names may not be file names. */
function keyOf({ account, document }: Entry): string {
  return `${createHash('sha256').update(`${account}\0${document}`).digest('hex').slice(0, 32)}.json`
}
