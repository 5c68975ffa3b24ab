import { randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Account } from '../store/store.ts'
import { revisionLength, type BridgeEngine } from './bridge-engine.ts'
import type { AccountData } from './bridge-storage.ts'
import { fieldsOf } from './replies.ts'

interface Known {
  revision: string
  value: object | undefined
}

/** Values whose text need not be read again as long as their revision is the same. */
const mostCached = 10_000

/** JSON values in a hash of the account. Each look asks the engine: another process may have changed one. */
export class EngineData implements AccountData {
  readonly #engine: BridgeEngine
  readonly #onDamage: (error: unknown) => void
  readonly #cache = new LRUCache<string, Known>({ max: mostCached })

  constructor(engine: BridgeEngine, onDamage: (error: unknown) => void) {
    this.#engine = engine
    this.#onDamage = onDamage
  }

  /** One that cannot be read counts as none. */
  async get<T extends object>(account: Account, name: string): Promise<T | undefined> {
    return (await this.#read(account, name)).value as T | undefined
  }

  async put(account: Account, name: string, value: object | undefined): Promise<void> {
    await this.#write(account, name, '*', value)
  }

  async change<T extends object>(
    account: Account,
    name: string,
    change: (before: T | undefined) => T | undefined,
  ): Promise<void> {
    for (;;) {
      const { revision, value } = await this.#read(account, name)
      const after = change(value as T | undefined)
      if (!after || (await this.#write(account, name, revision, after))) return
    }
  }

  async #read(account: Account, name: string): Promise<Known> {
    const key = `${account.id} ${name}`
    const before = this.#cache.get(key)
    const found = await this.#engine.getField(account, 'data', name, before?.revision ?? '')
    if (found === 'same') return before!
    const known = this.#parse(found.value ?? '')
    this.#cache.set(key, known)
    return known
  }

  #parse(text: string): Known {
    const revision = text.slice(0, revisionLength)
    try {
      return { revision, value: text === '' ? undefined : fieldsOf(JSON.parse(text.slice(revisionLength))) }
    } catch (error) {
      this.#onDamage(error)
      return { revision, value: undefined }
    }
  }

  async #write(account: Account, name: string, before: string, value: object | undefined): Promise<boolean> {
    const text = value ? newRevision() + JSON.stringify(value) : ''
    return await this.#engine.setField(account, 'data', name, before, text)
  }
}

export function newRevision(): string {
  return randomBytes(revisionLength / 2).toString('hex')
}
