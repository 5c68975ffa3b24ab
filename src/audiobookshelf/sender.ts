import { Delivery } from './delivery.ts'
import { LaneBusy } from './bridge-storage.ts'
import { delayOf, type Entry } from './outbox.ts'
import type { Parts } from './parts.ts'

/** Requests of all users at once. */
const atOnce = 4

/** Milliseconds between two sends of one user and document. */
const restMs = 3000

/** Milliseconds until a blocked entry that is due is checked again. */
const blockedMs = 1000

/** Schedules the entries of the outbox for Audiobookshelf. */
export class Sender {
  readonly #parts: Parts
  readonly #random: () => number
  readonly #onIdle: () => void
  readonly #delivery: Delivery
  readonly #inFlight = new Map<string, Promise<void>>()
  /** Until when no entry of the user and document is sent. */
  readonly #rests = new Map<string, number>()

  /** `onIdle` is called when a send has ended: other entries may be due. */
  constructor(parts: Parts, random: () => number, onIdle: () => void) {
    this.#parts = parts
    this.#random = random
    this.#onIdle = onIdle
    this.#delivery = new Delivery(parts, random, (entry) => this.#rest(entry, restMs))
  }

  /** Starts the sends that are due; returns the time of the next one, undefined for none, or if too many are in progress. */
  run(): number | undefined {
    const { outage, now } = this.#parts
    for (const [lane, until] of this.#rests) if (until <= now()) this.#rests.delete(lane)
    while (this.#inFlight.size < atOnce) {
      const next = this.#next()
      if (!next) return undefined
      if (next.due > now() || !outage.maySend()) {
        const due = Math.max(next.due, outage.nextSend)
        // If it is due, a probe blocks it, and ends soon.
        return due > now() ? due : now() + blockedMs
      }
      this.#start(next.entry)
    }
    return undefined
  }

  /** The entry that is due first and not in progress. Thousands may wait, so they are not sorted. */
  #next(): { entry: Entry; due: number } | undefined {
    let next: { entry: Entry; due: number } | undefined
    for (const entry of this.#parts.outbox.entries) {
      const due = this.#dueOf(entry)
      if ((!next || due < next.due) && !this.#inFlight.has(laneOf(entry))) next = { entry, due }
    }
    return next
  }

  /** Resolves when no send is in progress. */
  async idle(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight.values())
  }

  /** Sends all entries at once, also with refused keys and delays. */
  async retry(): Promise<void> {
    const { outbox, access, now } = this.#parts
    access.retry()
    await Promise.all((await outbox.list()).map((entry) => outbox.delay(entry, now())))
  }

  #dueOf(entry: Entry): number {
    return Math.max(entry.due, this.#rests.get(laneOf(entry)) ?? 0)
  }

  #rest(entry: Entry, ms: number): void {
    this.#rests.set(laneOf(entry), this.#parts.now() + ms)
  }

  #start(entry: Entry): void {
    const { outage, outbox, now, onFailure } = this.#parts
    const lane = laneOf(entry)
    const work = outage
      .probe(() => this.#delivery.deliver(entry))
      // A disk that fails must not end the process, nor make it spin.
      .catch(async (error: unknown) => {
        if (error instanceof LaneBusy) return this.#rest(entry, blockedMs)
        onFailure(error)
        await outbox.delay(entry, now() + delayOf(entry.tries + 1, this.#random()), entry.tries + 1).catch(onFailure)
      })
      .finally(() => {
        this.#inFlight.delete(lane)
        this.#onIdle()
      })
    this.#inFlight.set(lane, work)
  }
}

function laneOf({ account, document }: Entry): string {
  return `${account} ${document}`
}
