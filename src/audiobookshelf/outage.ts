import type { Failure } from './failure.ts'
import { delayOf } from './outbox.ts'

/** Milliseconds after a failure in which pulls send no request. */
export const quietMs = 30_000

const slow = 'is slow'

/**
 * Whether Audiobookshelf answers, for all users. While it does not, one request at a time tests it, and readers do not
 * wait for it.
 */
export class Outage {
  readonly #now: () => number
  readonly #random: () => number
  #tries = 0
  #nextSend = 0
  #nextPull = 0
  #isProbing = false
  /** The failure and its start; undefined while Audiobookshelf answers. */
  failure: { failure: Failure; since: number } | undefined
  /** A failure of some requests while others succeed; undefined for none. */
  complaint: { text: string; since: number } | undefined

  constructor(now: () => number, random: () => number) {
    this.#now = now
    this.#random = random
  }

  /** The earliest time of the next send; 0 without a failure. */
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

  /** Runs the request and resolves to its result. During a failure it is the only one. */
  async probe<T>(work: () => Promise<T>): Promise<T> {
    if (!this.failure && this.#nextPull === 0) return await work()
    this.#isProbing = true
    try {
      return await work()
    } finally {
      this.#isProbing = false
    }
  }

  /** Notes a failure that concerns all requests. */
  failed(failure: Failure): void {
    const now = this.#now()
    this.#tries += 1
    this.failure = { failure, since: this.failure?.since ?? now }
    this.#nextSend =
      now + (failure.retryAfter === undefined ? delayOf(this.#tries, this.#random()) : failure.retryAfter * 1000)
    this.#nextPull = Math.max(now + quietMs, failure.retryAfter === undefined ? 0 : this.#nextSend)
  }

  /** Notes a pull that ran out of time: later pulls do not wait for so slow a server. */
  ranOut(): void {
    this.#nextPull = this.#now() + quietMs
    this.complain(slow)
  }

  /** Notes an answer that is useless or late. `text` is for people. */
  complain(text: string): void {
    this.complaint = { text, since: this.complaint?.since ?? this.#now() }
  }

  /** Notes an answer. Pulls send requests again if it was quick enough for them. */
  answered(wasQuick: boolean): void {
    if (this.failure || wasQuick) this.#nextPull = 0
    if (wasQuick || this.complaint?.text !== slow) this.complaint = undefined
    this.failure = undefined
    this.#tries = 0
  }
}
