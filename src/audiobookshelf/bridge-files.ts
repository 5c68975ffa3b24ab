import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { LRUCache } from 'lru-cache'
import { makeFolder, replaceFile, setAside, syncFolder } from '../durable.ts'
import { hasCode, unlessAbsent } from '../error-code.ts'
import { bridgeAccountFolder } from '../store/file-store/files/folder-names.ts'
import type { Account } from '../store/store.ts'
import { checkFolder, readTrusted } from '../trusted-file.ts'
import type { AccountData } from './bridge-storage.ts'
import { Lanes } from './lanes.ts'
import { fieldsOf } from './replies.ts'

/** Files kept in memory: most pulls then need no disk. */
const mostCached = 10_000

/**
 * Small JSON files in `<user>/audiobookshelf/`, each replaced durably. A file has the id of its account: the next
 * account of the name does not get it. Nothing else writes these files while the server runs.
 */
export class BridgeFiles implements AccountData {
  readonly #dir: string
  readonly #onDamage: (error: unknown) => void
  readonly #cache = new LRUCache<string, { value: object | undefined }>({ max: mostCached })
  readonly #lanes = new Lanes()

  constructor(dir: string, onDamage: (error: unknown) => void) {
    this.#dir = dir
    this.#onDamage = onDamage
  }

  /** The value; undefined if there is none. A damaged file is set aside, and counts as none. */
  async get<T extends object>(account: Account, name: string): Promise<T | undefined> {
    const path = this.#pathOf(account, name)
    const key = `${account.id} ${path}`
    const cached = this.#cache.get(key)
    if (cached) return cached.value as T | undefined
    const read = await this.#lanes.take(path, () => this.#read(path, account))
    // A change may have been made meanwhile.
    const { value } = this.#cache.get(key) ?? { value: read }
    this.#cache.set(key, { value })
    return value as T | undefined
  }

  /** Stores the value, visible at once; resolves when it is durable. Undefined removes the file. */
  async put(account: Account, name: string, value: object | undefined): Promise<void> {
    const path = this.#pathOf(account, name)
    this.#cache.set(`${account.id} ${path}`, { value })
    await this.#lanes.take(path, async () => {
      if (value) await this.#write(path, { account: account.id, ...value })
      else await remove(path)
    })
  }

  async change<T extends object>(
    account: Account,
    name: string,
    change: (before: T | undefined) => T | undefined,
  ): Promise<void> {
    const after = change(await this.get<T>(account, name))
    if (after) await this.put(account, name, after)
  }

  #pathOf({ folder }: Account, name: string): string {
    return join(this.#dir, folder, bridgeAccountFolder, name)
  }

  async #read(path: string, account: Account): Promise<object | undefined> {
    try {
      await checkFolder(dirname(dirname(path)))
      const text = await unlessAbsent(readTrusted(path))
      if (text === undefined) return undefined
      const { account: id, ...value } = fieldsOf(JSON.parse(text))
      return id === account.id ? value : undefined
    } catch (error) {
      this.#onDamage(error)
      if (error instanceof SyntaxError) await unlessAbsent(setAside(path))
      return undefined
    }
  }

  async #write(path: string, value: object): Promise<void> {
    const text = `${JSON.stringify(value)}\n`
    try {
      await replaceFile(path, text)
    } catch (error) {
      // Without the account's folder the account is gone.
      if (!hasCode(error, 'ENOENT')) throw error
      await makeFolder(dirname(path))
      await replaceFile(path, text)
    }
  }
}

async function remove(path: string): Promise<void> {
  await rm(path, { force: true })
  await unlessAbsent(syncFolder(dirname(path)))
}
