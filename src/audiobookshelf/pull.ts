import { LRUCache } from 'lru-cache'
import type { Progress } from '../kosync/protocol.ts'
import type { Account } from '../store/store.ts'
import { dataNames, LaneBusy } from './bridge-storage.ts'
import { isFailure, type Failure } from './failure.ts'
import { guardPull, seenOf } from './guards.ts'
import { Mapping } from './mapping.ts'
import { newsOf, shownOf, type News } from './news.ts'
import { laneOf, noteFailure, type ItemState, type Parts, type ShownRecord } from './parts.ts'
import { quietMs } from './outage.ts'
import type { Remote } from './replies.ts'
import type { UserKey } from './settings.ts'

/** Milliseconds that a reader waits for Audiobookshelf. */
const budgetMs = 700

/** A listener's place, which readers get until one of them pushes. It is not stored as a record. */
interface Overlay {
  record: Progress
  /** The stored record that it was compared with. */
  against: string
}

/** Asks Audiobookshelf when a reader pulls. */
export class Pulls {
  readonly #parts: Parts
  readonly #budgetMs: number
  /** Requests in progress, by user and document. */
  readonly #asked = new Map<string, Promise<void>>()
  /** Until when no request is sent after a failure of one item, by user and document. */
  readonly #quiet = new LRUCache<string, number>({ max: 10_000 })

  constructor(parts: Parts, budget = budgetMs) {
    this.#parts = parts
    this.#budgetMs = budget
  }

  /** The record that the reader gets. */
  async getProgress(account: Account, document: string, item: string, key: UserKey): Promise<Progress | undefined> {
    const { store, data } = this.#parts
    const [stored] = await Promise.all([
      store.getProgress(account, document),
      this.#askInTime(account, document, item, key),
    ])
    const overlay = await data.get<Overlay>(account, dataNames.overlay(document)).catch(this.#parts.onFailure)
    // A later push ends the overlay.
    const isCurrent = overlay?.record.document === document && overlay.against === nameOf(stored)
    return isCurrent ? overlay.record : stored
  }

  /** Ends the overlay at a reader's push. */
  async end(account: Account, document: string): Promise<void> {
    const { data } = this.#parts
    const name = dataNames.overlay(document)
    if (await data.get(account, name)) await data.put(account, name, undefined)
  }

  /** Resolves when no request is in progress. */
  async idle(): Promise<void> {
    while (this.#asked.size > 0) await Promise.all(this.#asked.values())
  }

  /** Resolves at the answer, or when the reader can wait no longer. */
  async #askInTime(account: Account, document: string, item: string, key: UserKey): Promise<void> {
    const { outage, access, now } = this.#parts
    // Also for a request in progress: another reader has waited for it.
    if (!outage.mayPull() || now() < access.refusedUntil(key)) return
    const name = `${account.id} ${document}`
    if (now() < (this.#quiet.get(name) ?? 0)) return
    const asked = this.#asked.get(name) ?? this.#begin(name, () => this.#ask(account, document, item, key))
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<true>((resolve) => (timer = setTimeout(resolve, this.#budgetMs, true)))
    const ranOut = await Promise.race([timeout, asked])
    clearTimeout(timer)
    if (ranOut) outage.ranOut()
  }

  #begin(name: string, ask: () => Promise<void>): Promise<void> {
    const asked = ask()
      .catch((error: unknown) => {
        if (error instanceof LaneBusy) this.#quiet.set(name, this.#parts.now() + quietMs)
        else this.#parts.onFailure(error)
      })
      .finally(() => this.#asked.delete(name))
    this.#asked.set(name, asked)
    return asked
  }

  async #ask(account: Account, document: string, item: string, key: UserKey): Promise<void> {
    const { outage, lanes, client } = this.#parts
    await outage.probe(async () => {
      const work = async (): Promise<void> => {
        const began = performance.now()
        const remote = await client().getProgress(key, item)
        // An ebook is read once, and says nothing of the next pull.
        const wasQuick = performance.now() - began < this.#budgetMs
        const failure = isFailure(remote) ? remote : await this.#look(account, document, item, { key, remote })
        if (!failure) outage.answered(wasQuick)
        else await this.#failed(account, document, item, failure)
      }
      await lanes.take(laneOf(key, item), work, this.#budgetMs)
    })
  }

  async #failed(account: Account, document: string, item: string, failure: Failure): Promise<void> {
    const { links, now } = this.#parts
    const concernsAll = noteFailure(this.#parts, account.username, failure)
    if (!concernsAll) this.#quiet.set(`${account.id} ${document}`, now() + quietMs)
    if (failure.kind === 'notFound') await links.obstruct(account, item, 'gone')
    if (failure.kind === 'forbidden') await links.obstruct(account, item, 'notAllowed')
  }

  /** Sets the overlay for the record of Audiobookshelf. */
  async #look(
    account: Account,
    document: string,
    item: string,
    { key, remote }: { key: UserKey; remote: Remote | undefined },
  ): Promise<Failure | undefined> {
    const { store, data, client } = this.#parts
    const stored = await store.getProgress(account, document)
    const state = (await data.get<ItemState>(account, dataNames.item(item))) ?? {}
    const { clockDifference } = client()
    const storedTime = stored && stored.timestamp * 1000
    const guard = guardPull(remote, { agreed: state.agreed, seen: state.seen, storedTime, clockDifference })
    const found = guard
      ? undefined
      : await this.#newsOf(account, key, item, { document, stored, state, remote: remote! })
    if (isFailure(found)) return found
    const { news, shown = state.shown } = found ?? {}
    await this.#keep(account, item, {
      document,
      stored,
      state: { ...state, ...(shown && { shown }) },
      before: state,
      remote,
      news,
    })
    // A crash, or a link that is new: the reader's own position never came to be sent.
    if (stored && !news && storedTime! > (state.decided ?? 0) && guard !== 'echo')
      await this.#parts.send(account, stored)
    return undefined
  }

  async #newsOf(
    account: Account,
    key: UserKey,
    id: string,
    {
      document,
      stored,
      state,
      remote,
    }: { document: string; stored: Progress | undefined; state: ItemState; remote: Remote },
  ): Promise<{ news: News | undefined; shown: ShownRecord } | undefined | Failure> {
    const { items, books, store, settings, client } = this.#parts
    const item = await items.get(account, key, id)
    if (isFailure(item)) return item
    if (!item.isBook || item.isMissing) return undefined
    const book = await books.get(key, item)
    if (isFailure(book)) return book
    const history = await store.listHistory(account, document)
    const mapping = new Mapping({ duration: item.duration, chapters: item.chapters, book, history })
    const device = key.device ?? settings().deviceName
    const { clockDifference } = client()
    const facts = { remote, item, seen: state.seen, document, stored, history, mapping, device, clockDifference }
    return { news: newsOf(facts), shown: shownOf(facts) }
  }

  async #keep(
    account: Account,
    item: string,
    about: {
      document: string
      stored: Progress | undefined
      state: ItemState
      /** As it is in the file. */
      before: ItemState
      remote: Remote | undefined
      news: News | undefined
    },
  ): Promise<void> {
    const { data, tell } = this.#parts
    const { document, stored, state, before, remote, news } = about
    const seen = remote && seenOf(remote, state.seen)
    const next = { ...state, ...(seen && { seen }), ...(news && { handedOut: news.handedOut }) }
    await this.#putChanged(account, dataNames.item(item), before, next)
    const name = dataNames.overlay(document)
    const overlay = await data.get<Overlay>(account, name)
    const told: Overlay | undefined = news && { record: news.record, against: nameOf(stored) }
    if (await this.#putChanged(account, name, overlay, told)) {
      if (news)
        tell(account, { what: 'received', document, item, listener: `${(news.record.percentage * 100).toFixed(2)} %` })
    }
  }

  /** Whether it was another one. */
  async #putChanged(
    account: Account,
    name: string,
    before: object | undefined,
    value: object | undefined,
  ): Promise<boolean> {
    if (JSON.stringify(before) === JSON.stringify(value)) return false
    await this.#parts.data.put(account, name, value)
    return true
  }
}

function nameOf(stored: Progress | undefined): string {
  return stored ? [stored.timestamp, stored.percentage, stored.device, stored.progress].join(' ') : ''
}
