import type { Progress } from '../kosync/protocol.ts'
import type { Account, Store } from '../store/store.ts'
import { revisionLength, type BridgeEngine, type Owner } from './bridge-engine.ts'
import type { Outbox } from './bridge-storage.ts'
import { newRevision } from './engine-data.ts'
import { entryOf, readEntry, type Entry } from './outbox.ts'

/** Users of one look. */
const mostUsers = 1000

export interface EngineOutboxOptions {
  engine: BridgeEngine
  store: Pick<Store, 'getUser' | 'getProgress'>
  now: () => number
  onDamage: (error: unknown) => void
}

/**
 * Entries in a hash of the account, and an index of users by when something of theirs is due. Each process knows of those
 * that came through it, and finds the others by the index. Whoever begins to send one reads it again: what another process
 * has sent is gone then, and what came meanwhile has another revision.
 */
export class EngineOutbox implements Outbox {
  readonly #options: EngineOutboxOptions
  readonly #entries = new Map<string, Entry>()
  readonly #revisions = new WeakMap<Entry, string>()

  constructor(options: EngineOutboxOptions) {
    this.#options = options
  }

  get entries(): Entry[] {
    return [...this.#entries.values()]
  }

  async list(): Promise<Entry[]> {
    return await this.#look(Number.MAX_SAFE_INTEGER)
  }

  async isWaiting(account: Account, document: string): Promise<boolean> {
    return (await this.#find(account, document)) !== undefined
  }

  async put(account: Account, record: Progress): Promise<void> {
    const entry = entryOf(account, record)
    this.#keep(entry, newRevision())
    await this.#write(entry, '*')
  }

  /** With the position that is stored now: the pushes of two processes may have come here in another order. */
  async claim(entry: Entry): Promise<Entry | undefined> {
    const { store, now } = this.#options
    const found = await this.#find(ownerOf(entry), entry.document)
    const { account } = (await store.getUser(entry.username)) ?? {}
    if (!found || found.due > now() || account?.id !== entry.account) return undefined
    const stored = await store.getProgress(account, entry.document)
    const { tries, due } = found
    return stored ? Object.assign(found, entryOf(account, stored), { tries, due }) : found
  }

  async delay(entry: Entry, due: number, tries = entry.tries): Promise<void> {
    if (this.#entries.get(keyOf(entry)) === entry)
      await this.#write(Object.assign(entry, { due, tries }), this.#revisions.get(entry)!)
  }

  async delete(entry: Entry): Promise<void> {
    this.#forget(entry)
    await this.#options.engine.setField(ownerOf(entry), 'outbox', entry.document, this.#revisions.get(entry)!, '')
    await this.#index(ownerOf(entry))
  }

  /** The store has removed its entries. */
  async deleteAccount(account: Account): Promise<void> {
    for (const entry of this.entries) if (entry.account === account.id) this.#forget(entry)
    await this.#index(account)
  }

  /** The store has moved its entries. */
  async rename({ username: from, id }: Account, username: string): Promise<void> {
    for (const entry of this.entries) if (entry.account === id) Object.assign(entry, { username })
    await this.#options.engine.setDue(from, undefined)
    await this.#index({ username, id })
  }

  /** Finds what is due, and no other process has sent. */
  async refresh(): Promise<void> {
    await this.#look(this.#options.now())
  }

  /** Nothing waits here: a put resolves when the engine has it. */
  async flush(): Promise<void> {}

  async #look(time: number): Promise<Entry[]> {
    const { engine, store } = this.#options
    const found: Entry[] = []
    for (const username of await engine.listDue(time, mostUsers)) {
      const { account } = (await store.getUser(username)) ?? {}
      const entries = account ? await this.#readAll(account) : []
      found.push(...entries)
      if (entries.length === 0) await (account ? this.#index(account) : engine.setDue(username, undefined))
    }
    return found
  }

  async #readAll(owner: Owner): Promise<Entry[]> {
    const values = await this.#options.engine.listValues(owner, 'outbox')
    return values.map((value) => this.#read(owner, value)).filter((entry) => entry !== undefined)
  }

  async #find(owner: Owner, document: string): Promise<Entry | undefined> {
    const { value } = (await this.#options.engine.getField(owner, 'outbox', document, '')) as { value?: string }
    const entry = value === undefined ? undefined : this.#read(owner, value)
    if (!entry) this.#entries.delete(keyOf({ account: owner.id, document }))
    return entry
  }

  /** The entry that is known of this revision, or a new one. The account may have got another name since it was put. */
  #read({ username, id }: Owner, value: string): Entry | undefined {
    const revision = value.slice(0, revisionLength)
    try {
      const entry = { ...readEntry(value.slice(revisionLength)), username, account: id }
      const known = this.#entries.get(keyOf(entry))
      if (!known || this.#revisions.get(known) !== revision) return this.#keep(entry, revision)
      return Object.assign(known, { username, due: entry.due, tries: entry.tries })
    } catch (error) {
      this.#options.onDamage(error)
      return undefined
    }
  }

  #keep(entry: Entry, revision: string): Entry {
    this.#entries.set(keyOf(entry), entry)
    this.#revisions.set(entry, revision)
    return entry
  }

  #forget(entry: Entry): void {
    if (this.#entries.get(keyOf(entry)) === entry) this.#entries.delete(keyOf(entry))
  }

  async #write(entry: Entry, before: string): Promise<void> {
    const value = this.#revisions.get(entry)! + JSON.stringify(entry)
    await this.#options.engine.setField(ownerOf(entry), 'outbox', entry.document, before, value)
    await this.#index(ownerOf(entry))
  }

  /** It is elsewhere than the entries, so it cannot change in one step with them. */
  async #index(owner: Owner): Promise<void> {
    let due: number | undefined
    do {
      due = await this.#dueOf(owner)
      await this.#options.engine.setDue(owner.username, due)
      // Another process may have put or sent one meanwhile, and been faster.
    } while ((await this.#dueOf(owner)) !== due)
  }

  async #dueOf(owner: Owner): Promise<number | undefined> {
    const entries = await this.#readAll(owner)
    return entries.length === 0 ? undefined : Math.min(...entries.map(({ due }) => due))
  }
}

function ownerOf({ username, account }: Entry): Owner {
  return { username, id: account }
}

function keyOf({ account, document }: Pick<Entry, 'account' | 'document'>): string {
  return `${account} ${document}`
}
