import type { Failure } from './failure.ts'
import { delayOf } from './outbox.ts'

/** Milliseconds for which pulls do not ask after a failure. */
export const quietMs = 30_000

const slow = 'is slow'

/**
 * Whether Audiobookshelf answers, for all users: while it does not, one request at a time finds out whether it does
 * again, and readers do not wait for it.
 */
export class Outage {
  readonly #now: () => number
  readonly #random: () => number
  #tries = 0
  #nextSend = 0
  #nextPull = 0
  #isProbing = false
  /** What is wrong, and since when; undefined when nothing is. */
  failure: { failure: Failure; since: number } | undefined
  /** What some requests met, while others may go; undefined when nothing is known of it. */
  complaint: { text: string; since: number } | undefined

  constructor(now: () => number, random: () => number) {
    this.#now = now
    this.#random = random
  }

  /** When the next send may be; 0 when nothing is wrong. */
  get nextSend(): number {
    return this.failure ? this.#nextSend : 0
  }

  maySend(): boolean {
    return !this.failure || (!this.#isProbing && this.#now() >= this.#nextSend)
  }

  mayPull(): boolean {
    if (this.#now() >= this.#nextPull) return !(this.#isProbing && this.#nextPull > 0)
    return false
  }

  /** A request begins; resolves what it resolves to. While something is wrong it is the only one. */
  async probe<T>(work: () => Promise<T>): Promise<T> {
    if (!this.failure && this.#nextPull === 0) return await work()
    this.#isProbing = true
    try {
      return await work()
    } finally {
      this.#isProbing = false
    }
  }

  /** A request failed in a way that concerns all. */
  failed(failure: Failure): void {
    const now = this.#now()
    this.#tries += 1
    this.failure = { failure, since: this.failure?.since ?? now }
    this.#nextSend =
      now + (failure.retryAfter === undefined ? delayOf(this.#tries, this.#random()) : failure.retryAfter * 1000)
    this.#nextPull = Math.max(now + quietMs, failure.retryAfter === undefined ? 0 : this.#nextSend)
  }

  /** A pull ran out of time: later ones do not wait for what is that slow. */
  ranOut(): void {
    this.#nextPull = this.#now() + quietMs
    this.complain(slow)
  }

  /** A request had an answer that is of no use, or late. `text` is for a person. */
  complain(text: string): void {
    this.complaint = { text, since: this.complaint?.since ?? this.#now() }
  }

  /** A request had an answer. Pulls go on when it was as quick as they need. */
  answered(wasQuick: boolean): void {
    if (this.failure || wasQuick) this.#nextPull = 0
    if (wasQuick || this.complaint?.text !== slow) this.complaint = undefined
    this.failure = undefined
    this.#tries = 0
  }
}
