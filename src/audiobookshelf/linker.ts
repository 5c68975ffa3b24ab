import { LRUCache } from 'lru-cache'
import type { Progress } from '../kosync/protocol.ts'
import type { Account, Admin } from '../store/store.ts'
import { dataNames } from './bridge-storage.ts'
import { longestMs } from './delivery.ts'
import { isFailure, type Failure } from './failure.ts'
import type { LinkKind } from './links.ts'
import type { ItemState, Parts } from './parts.ts'
import { noteFailure } from './parts.ts'
import type { UserKey } from './settings.ts'

/** Milliseconds between two reads of a library for unknown documents: a push of one sends no request. */
const gapMs = 60_000

/** Milliseconds until the first retry of a failed read of a library; doubled each time. */
const again = { first: 30_000, most: 600_000 }

/** Milliseconds until a library that is due, but may not be read, is checked again. */
const blockedMs = 1000

/** The most documents that are remembered after a library was read for them. */
const mostLooked = 10_000

export interface Linked {
  item: string
  kind: LinkKind
  key: UserKey
}

/** A library that is to be read. */
interface Wanted {
  account: Account
  /** Milliseconds since 1970. */
  due: number
  /** The number of failed reads. */
  tries: number
}

/** Finds the item of a document; reads a user's library if necessary. */
export class Linker {
  readonly #parts: Parts
  readonly #admin: Admin
  readonly #onWanted: () => void
  readonly #refreshing = new Map<string, Promise<Failure | undefined>>()
  readonly #wanted = new Map<string, Wanted>()
  readonly #looked = new LRUCache<string, true>({ max: mostLooked })
  readonly #running = new Set<Promise<void>>()

  /** `onWanted` is called when a library is to be read. */
  constructor(parts: Parts, admin: Admin, onWanted: () => void) {
    this.#parts = parts
    this.#admin = admin
    this.#onWanted = onWanted
  }

  /** The item of the document; undefined if it is not linked, or if requests for the item are blocked. */
  async linkOf(account: Account, document: string, isPush = false): Promise<Linked | undefined> {
    const { access, links, library, now } = this.#parts
    const key = await access.keyOf(account)
    if (!key) return undefined
    const link = await links.find(account, document)
    const mayDiffer = !link || link.kind === 'digest' || (await links.isGone(account, link.item))
    const obstacle = link && (await links.obstacleOf(account, link.item))
    const name = `${account.id} ${document} ${link?.item}`
    const isNew = isPush && (!link || obstacle === 'gone') && !this.#looked.has(name)
    if (mayDiffer && !this.#refreshing.has(account.id) && (await library.isOld(account))) this.#want(account, 0)
    // The book may be new in Audiobookshelf, or have a new id: the lists are read once for it.
    else if (isNew) this.#want(account, now() + gapMs)
    if (isNew) this.#looked.set(name, true)
    if (!link || obstacle) return undefined
    return { ...link, key }
  }

  /** Links by hand, and sends the stored record at once. False unlinks; undefined restores the map and the digest. */
  async link(account: Account, document: string, item: string | false | undefined): Promise<void> {
    const { links, store, send, tell } = this.#parts
    await links.set(account, document, item)
    tell(account, { what: 'linked', document, ...(typeof item === 'string' && { item }), why: 'by hand' })
    const stored = await store.getProgress(account, document)
    if (stored && item !== false) await send(account, stored)
  }

  /** Starts the reads that are due; returns the time of the next one, undefined for none. */
  run(): number | undefined {
    const { outage, now } = this.#parts
    let next: number | undefined
    for (const [id, { account, due, tries }] of this.#wanted) {
      const at = Math.max(due, outage.nextSend)
      if (at <= now() && outage.maySend()) {
        this.#wanted.delete(id)
        const running = this.#refreshWanted(account, tries)
          .catch(this.#parts.onFailure)
          .finally(() => this.#running.delete(running))
        this.#running.add(running)
      } else next = Math.min(next ?? Infinity, at > now() ? at : now() + blockedMs)
    }
    return next
  }

  /** Reads the library now. Resolves to the failure, if any. */
  async refresh(account: Account, key: UserKey, onlyNew = false): Promise<Failure | undefined> {
    const running = this.#refreshing.get(account.id) ?? this.#refresh(account, key, onlyNew)
    this.#refreshing.set(account.id, running)
    try {
      return await running
    } finally {
      this.#refreshing.delete(account.id)
    }
  }

  /** Sends stored positions that no guard has decided on: after a crash, or for a new link. */
  async catchUp(): Promise<void> {
    const { access } = this.#parts
    let cursor: string | undefined
    do {
      const page = await this.#admin.listUsers(cursor)
      for (const { account } of page.users) {
        if (await access.keyOf(account)) await this.#sendLinked(account)
      }
      cursor = page.next
    } while (cursor !== undefined)
  }

  /** Forgets an account that was removed or renamed. */
  forget(account: Account): void {
    this.#wanted.delete(account.id)
  }

  /** Resolves when no work is in progress. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#refreshing.values(), ...this.#running])
  }

  #want(account: Account, due: number, tries = 0): void {
    if (this.#wanted.has(account.id)) return
    this.#wanted.set(account.id, { account, due, tries })
    this.#onWanted()
  }

  async #refreshWanted(account: Account, tries: number): Promise<void> {
    const { access, library, now } = this.#parts
    const key = await access.keyOf(account)
    if (!key) return
    if (now() < access.refusedUntil(key)) return this.#want(account, access.refusedUntil(key), tries)
    const failure = await this.refresh(account, key, !(await library.isOld(account)))
    if (failure) this.#want(account, now() + Math.min(again.first * 2 ** tries, again.most), tries + 1)
  }

  async #refresh(account: Account, key: UserKey, onlyNew: boolean): Promise<Failure | undefined> {
    const { library, links, outage, client } = this.#parts
    const before = new Set((await library.list(account)).map(({ digest }) => digest))
    // One request tests whether Audiobookshelf answers again.
    const seen = outage.failure && (await outage.probe(() => client().listLibraries(key)))
    const items = isFailure(seen) ? seen : await library.refresh(account, key, onlyNew)
    if (isFailure(items)) {
      noteFailure(this.#parts, account.username, items)
      return items
    }
    outage.answered(false)
    await links.clear(
      account,
      items.map(({ id }) => id),
    )
    await this.#sendLinked(account, before)
    return undefined
  }

  /** Sends the stored positions of newly linked documents as pushes with their own times. `before`: the digests known before. */
  async #sendLinked(account: Account, before?: ReadonlySet<string>): Promise<void> {
    const { links, send, tell } = this.#parts
    let cursor: string | undefined
    do {
      const page = await this.#admin.listDocuments(account, cursor)
      for (const record of page.documents) {
        const { document } = record
        const link = await links.find(account, document)
        if (!link) continue
        if (before && link.kind === 'digest' && !before.has(document))
          tell(account, { what: 'linked', document, item: link.item, why: 'digest' })
        if (await this.#isUndecided(account, link.item, record)) await send(account, record)
      }
      cursor = page.next
    } while (cursor !== undefined)
  }

  async #isUndecided(account: Account, item: string, { document, timestamp }: Progress): Promise<boolean> {
    const { data, outbox, now } = this.#parts
    const { decided = 0 } = (await data.get<ItemState>(account, dataNames.item(item))) ?? {}
    if (timestamp * 1000 <= Math.max(decided, now() - longestMs)) return false
    return !(await outbox.isWaiting(account, document))
  }
}
