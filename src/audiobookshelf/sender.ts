import { Delivery } from './delivery.ts'
import { LaneBusy } from './bridge-storage.ts'
import { delayOf, type Entry } from './outbox.ts'
import type { Parts } from './parts.ts'

/** Requests of all users at once. */
const atOnce = 4

/** Milliseconds between two sends of one user and document. */
const restMs = 3000

/** Milliseconds until it is looked again whether one may go that is due. */
const blockedMs = 1000

/** Decides when which entry of the outbox goes to Audiobookshelf. */
export class Sender {
  readonly #parts: Parts
  readonly #random: () => number
  readonly #onIdle: () => void
  readonly #delivery: Delivery
  readonly #inFlight = new Map<string, Promise<void>>()
  /** Until when nothing of the user and document is sent. */
  readonly #rests = new Map<string, number>()

  /** `onIdle` is told when one has ended: others may be due then. */
  constructor(parts: Parts, random: () => number, onIdle: () => void) {
    this.#parts = parts
    this.#random = random
    this.#onIdle = onIdle
    this.#delivery = new Delivery(parts, random, (entry) => this.#rest(entry, restMs))
  }

  /** Starts what is due, and resolves to when something is due next; undefined for nothing, or when one has ended. */
  run(): number | undefined {
    const { outage, now } = this.#parts
    for (const [lane, until] of this.#rests) if (until <= now()) this.#rests.delete(lane)
    while (this.#inFlight.size < atOnce) {
      const next = this.#next()
      if (!next) return undefined
      if (next.due > now() || !outage.maySend()) {
        const due = Math.max(next.due, outage.nextSend)
        // Something else is in its way, which ends soon.
        return due > now() ? due : now() + blockedMs
      }
      this.#start(next.entry)
    }
    return undefined
  }

  /** What is due first of all that is not under way. Thousands may wait: they are not sorted. */
  #next(): { entry: Entry; due: number } | undefined {
    let next: { entry: Entry; due: number } | undefined
    for (const entry of this.#parts.outbox.entries) {
      const due = this.#dueOf(entry)
      if ((!next || due < next.due) && !this.#inFlight.has(laneOf(entry))) next = { entry, due }
    }
    return next
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight.values())
  }

  /** Refused keys, held entries and such are tried at once. */
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
