import type { Account } from '../store/store.ts'
import { dataNames } from './bridge-storage.ts'
import { isFailure, type Failure } from './failure.ts'
import { guardPush, seenOf, type Agreed, type Halves, type PushDecision } from './guards.ts'
import { Mapping } from './mapping.ts'
import { listenerOf, placeOf, shownOf } from './news.ts'
import { delayOf, type Entry } from './outbox.ts'
import { laneOf, noteFailure, type ItemState, type Parts } from './parts.ts'
import { bodyOf, describe, valuesOf, type Values } from './payload.ts'
import type { Item, Remote } from './replies.ts'
import type { UserKey } from './settings.ts'

/** Milliseconds after which an entry is dropped. */
export const longestMs = 14 * 86_400_000

/** Milliseconds that the user's access to an item is cached. */
const seenMs = 60_000

/** An entry with the data for its request. */
interface Job {
  entry: Entry
  account: Account
  key: UserKey
  id: string
}

/** Delivers an entry of the outbox to Audiobookshelf: reads the record there, asks the guards, then writes. */
export class Delivery {
  readonly #parts: Parts
  readonly #random: () => number
  readonly #onSend: (entry: Entry) => void

  /** `onSend` is called with each entry that passes the guards. */
  constructor(parts: Parts, random: () => number, onSend: (entry: Entry) => void) {
    this.#parts = parts
    this.#random = random
    this.#onSend = onSend
  }

  /** Delivers the entry, which then leaves the outbox or waits for another attempt. */
  async deliver(entry: Entry): Promise<void> {
    const { store, outbox, access, links, lanes, now, tell } = this.#parts
    const account = (await store.getUser(entry.username))?.account
    if (account?.id !== entry.account) return await outbox.delete(entry)
    if (now() - entry.timestamp * 1000 > longestMs)
      return await this.#drop(account, entry, 'could not be sent for 14 days')
    const key = await access.keyOf(account)
    const link = key && (await links.find(account, entry.document))
    if (!link || (await links.obstacleOf(account, link.item))) return await outbox.delete(entry)
    const refused = access.refusedUntil(key)
    if (now() < refused) {
      tell(account, { what: 'waits', document: entry.document, why: 'the key was refused' })
      return await outbox.delay(entry, refused)
    }
    const job = { entry, account, key, id: link.item }
    const done = await lanes.take(laneOf(key, link.item), async (signal) => {
      const newest = await outbox.claim(entry)
      if (!newest) return undefined
      const failure = await this.#exchange({ ...job, entry: newest, key: { ...key, signal } })
      return { entry: newest, failure }
    })
    if (!done) return
    if (isFailure(done.failure)) await this.#failed({ ...job, entry: done.entry }, done.failure)
    else if (done.failure !== 'noBook') {
      this.#parts.outage.answered(false)
      access.accept(key)
      await links.clear(account, [link.item])
    }
  }

  async #exchange(job: Job): Promise<Failure | 'noBook' | undefined> {
    const { entry, account, key, id } = job
    const { items, links, books, store, client, data } = this.#parts
    // Audiobookshelf does not check a PATCH: the user must have access to the item now.
    const item = await items.get(account, key, id, seenMs)
    if (isFailure(item)) return item
    if (!item.isBook || item.isMissing) {
      await links.obstruct(account, id, item.isBook ? 'gone' : 'notABook')
      await this.#drop(account, entry, item.isBook ? 'the item is missing' : 'the item is no book')
      return 'noBook'
    }
    // A book that is read to its end is of use to whoever sends this.
    const book = await books.get({ ...key, signal: undefined }, item)
    if (isFailure(book)) return book
    const history = await store.listHistory(account, entry.document)
    const mapping = new Mapping({ duration: item.duration, chapters: item.chapters, book, history })
    const remote = await client().getProgress(key, id)
    if (isFailure(remote)) return remote
    const state = (await data.get<ItemState>(account, dataNames.item(id))) ?? {}
    const values = valuesOf(entry, item, mapping.toSeconds(entry))
    const decision = this.#decide(job, { item, mapping, remote, state, values })
    const { clockDifference } = client()
    const seen = remote && seenOf(remote, state.seen)
    const shown = remote && shownOf({ remote, item, mapping, clockDifference })
    return await this.#act(job, decision, { item, remote, state: { ...state, seen, shown }, values, mapping })
  }

  #decide(
    { entry }: Job,
    about: { item: Item; mapping: Mapping; remote: Remote | undefined; state: ItemState; values: Values },
  ): PushDecision {
    const { item, mapping, remote, state, values } = about
    const hasAudio = item.duration > 0
    const facts = remote && { remote, item, seen: state.seen, mapping }
    return guardPush({
      now: this.#parts.now(),
      push: {
        time: entry.timestamp * 1000,
        device: entry.device,
        place: hasAudio ? (values.currentTime ?? item.duration) : entry.percentage,
      },
      values,
      remote,
      seen: state.seen,
      remotePlace: facts ? listenerOf(facts, placeOf(facts)) : 0,
      agreed: state.agreed,
      handedOut: state.handedOut,
      held: state.held,
      clockDifference: this.#parts.client().clockDifference,
      hasAudio,
    })
  }

  async #act(
    job: Job,
    decision: PushDecision,
    about: { item: Item; remote: Remote | undefined; state: ItemState; values: Values; mapping: Mapping },
  ): Promise<Failure | undefined> {
    const { entry, account, id } = job
    const { outbox, data, tell } = this.#parts
    const { remote, state } = about
    const decided = Math.max(state.decided ?? 0, entry.timestamp * 1000)
    const told = {
      document: entry.document,
      item: id,
      reader: describe(about.values),
      ...(remote && { listener: describe(remote) }),
    }
    if (decision.action === 'send') return await this.#patch(job, about)
    if (decision.action === 'wait') {
      tell(account, { what: 'waits', why: 'active player', ...told })
      await outbox.delay(entry, decision.until)
    } else if (decision.action === 'hold') {
      await data.put(account, dataNames.item(id), { ...state, held: decision.held, decided })
      tell(account, { what: 'held', why: 'stale reader', ...told })
      await outbox.delete(entry)
    } else {
      // Both are at the same place, whichever came first.
      const isThere = decision.guard === 'small change' && remote
      const agreed = isThere ? agreedOf(remote, entry) : state.agreed
      await data.put(account, dataNames.item(id), { ...state, agreed, decided })
      tell(account, { what: 'dropped', why: decision.guard, ...told })
      await outbox.delete(entry)
    }
    return undefined
  }

  async #patch(
    { entry, account, key, id }: Job,
    { item, remote, values, mapping }: { item: Item; remote: Remote | undefined; values: Values; mapping: Mapping },
  ): Promise<Failure | undefined> {
    const { client, data, outbox, tell } = this.#parts
    this.#onSend(entry)
    const body = bodyOf(entry, item, values, remote !== undefined)
    const failure = await client().patchProgress(key, id, body)
    if (failure) return failure
    const left = { ...noRecord, ...remote, ...body, lastUpdate: entry.timestamp * 1000 }
    const { currentTime, ebookProgress, ebookLocation } = left
    const state: ItemState = {
      agreed: agreedOf(left, entry),
      seen: { currentTime, ebookProgress, ebookLocation, half: 'audio' },
      decided: entry.timestamp * 1000,
      shown: shownOf({ remote: left, item, mapping, clockDifference: 0 }),
    }
    await data.put(account, dataNames.item(id), state)
    if (!remote) {
      // A create ignores the time, so the request is repeated as an update. Then the record is read, to see that there is one only.
      const again = await client().patchProgress(key, id, bodyOf(entry, item, values, true))
      const read = again ?? (await client().getProgress(key, id))
      if (isFailure(read)) return read
    }
    tell(account, { what: 'pushed', document: entry.document, item: id, reader: describe(values) })
    await outbox.delete(entry)
    return undefined
  }

  async #failed({ entry, account, key, id }: Job, failure: Failure): Promise<void> {
    const { outbox, links, access, now, tell } = this.#parts
    tell(account, { what: 'failed', document: entry.document, item: id, why: failure.text })
    const concernsAll = noteFailure(this.#parts, account.username, failure)
    if (failure.kind === 'refusedKey') await outbox.delay(entry, access.refusedUntil(key))
    else if (failure.kind === 'notFound' || failure.kind === 'forbidden') {
      await links.obstruct(account, id, failure.kind === 'notFound' ? 'gone' : 'notAllowed')
      await this.#drop(account, entry, failure.text)
    } else if (failure.kind === 'badRequest') await this.#drop(account, entry, failure.text)
    else if (!concernsAll) {
      const tries = entry.tries + 1
      await outbox.delay(entry, now() + delayOf(tries, this.#random()), tries)
    }
  }

  async #drop(account: Account, entry: Entry, why: string): Promise<void> {
    this.#parts.tell(account, { what: 'dropped', document: entry.document, why })
    await this.#parts.outbox.delete(entry)
  }
}

/** The record that Audiobookshelf creates of a first PATCH. */
const noRecord: Remote = {
  currentTime: 0,
  duration: 0,
  ebookProgress: 0,
  ebookLocation: undefined,
  isFinished: false,
  lastUpdate: 0,
}

/** The record in Audiobookshelf, and the entry that agrees with it. */
function agreedOf({ currentTime, ebookProgress }: Halves, { timestamp }: Entry): Agreed {
  return { currentTime, ebookProgress, time: timestamp * 1000 }
}
