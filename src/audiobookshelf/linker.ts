import type { Account, Admin } from '../store/store.ts'
import { isFailure, type Failure } from './failure.ts'
import type { LinkKind } from './links.ts'
import type { Parts } from './parts.ts'
import { noteFailure } from './parts.ts'
import type { UserKey } from './settings.ts'

/** Milliseconds until a library that could not be read is tried again. */
const againMs = 600_000

export interface Linked {
  item: string
  kind: LinkKind
  key: UserKey
}

/** Finds the item of a document; reads a user's library when there is need to. */
export class Linker {
  readonly #parts: Parts
  readonly #admin: Admin
  readonly #refreshing = new Map<string, Promise<Failure | undefined>>()
  readonly #failed = new Map<string, number>()

  constructor(parts: Parts, admin: Admin) {
    this.#parts = parts
    this.#admin = admin
  }

  /** Undefined when there is no request for the document: it is not linked, or something is in the way. */
  async linkOf(account: Account, document: string): Promise<Linked | undefined> {
    const { access, links } = this.#parts
    const key = await access.keyOf(account)
    if (!key) return undefined
    const link = await links.find(account, document)
    if (!link || link.kind === 'digest' || (await links.isGone(account, link.item)))
      await this.#refreshOld(account, key)
    if (!link || (await links.obstacleOf(account, link.item))) return undefined
    return { ...link, key }
  }

  /** Links by hand; the stored record takes part at once. False unlinks, undefined leaves it to the map and the digest. */
  async link(account: Account, document: string, item: string | false | undefined): Promise<void> {
    const { links, store, send, tell } = this.#parts
    await links.set(account, document, item)
    tell(account, { what: 'linked', document, ...(typeof item === 'string' && { item }), why: 'by hand' })
    const stored = await store.getProgress(account, document)
    if (stored && item !== false) await send(account, stored)
  }

  /** Reads the library now. Resolves to why it cannot. */
  async refresh(account: Account, key: UserKey): Promise<Failure | undefined> {
    const running = this.#refreshing.get(account.id) ?? this.#refresh(account, key)
    this.#refreshing.set(account.id, running)
    try {
      return await running
    } finally {
      this.#refreshing.delete(account.id)
    }
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#refreshing.values())
  }

  async #refreshOld(account: Account, key: UserKey): Promise<void> {
    const { library, outage, access, now, onFailure } = this.#parts
    if (this.#refreshing.has(account.id) || now() < (this.#failed.get(account.id) ?? 0)) return
    if (outage.failure || now() < access.refusedUntil(key) || !(await library.isOld(account))) return
    this.refresh(account, key).catch(onFailure)
  }

  async #refresh(account: Account, key: UserKey): Promise<Failure | undefined> {
    const { library, links, now } = this.#parts
    const before = new Set((await library.list(account)).map(({ digest }) => digest))
    // Until it has an end, and some time longer when it has a bad one.
    this.#failed.set(account.id, now() + againMs)
    const items = await library.refresh(account, key)
    if (isFailure(items)) {
      noteFailure(this.#parts, account.username, items)
      return items
    }
    this.#failed.delete(account.id)
    await links.clear(
      account,
      items.map(({ id }) => id),
    )
    const digests = new Set(items.map(({ digest }) => digest).filter((digest) => !before.has(digest)))
    if (digests.size > 0) await this.#sendLinked(account, digests)
    return undefined
  }

  /** What readers left of the documents that are linked now is a push with its own time. */
  async #sendLinked(account: Account, digests: Set<string>): Promise<void> {
    const { send, links, tell } = this.#parts
    let cursor: string | undefined
    do {
      const page = await this.#admin.listDocuments(account, cursor)
      for (const record of page.documents.filter(({ document }) => digests.has(document))) {
        const link = await links.find(account, record.document)
        if (link?.kind !== 'digest') continue
        tell(account, { what: 'linked', document: record.document, item: link.item, why: 'digest' })
        await send(account, record)
      }
      cursor = page.next
    } while (cursor !== undefined)
  }
}
