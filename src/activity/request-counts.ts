/** Requests of one minute. */
export interface MinuteCount {
  requests: number
  /** Those that were refused or failed: status 400 and more. */
  failures: number
}

const minutes = 60
const minuteMs = 60_000

/** Counts of the last hour by minute, in a fixed ring: a request costs two additions. */
export class RequestCounts {
  readonly #requests = new Uint32Array(minutes)
  readonly #failures = new Uint32Array(minutes)
  readonly #now: () => number
  /** The minute that is counted, since the start of the clock. */
  #minute: number

  /** The clock is one that is never set: milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
    this.#minute = this.#readMinute()
  }

  add(isFailure: boolean): void {
    const at = this.#advance() % minutes
    this.#requests[at]! += 1
    if (isFailure) this.#failures[at]! += 1
  }

  /** The last 60 minutes, the current one last. */
  list(): MinuteCount[] {
    const first = this.#advance() + 1
    return Array.from({ length: minutes }, (_, ago) => {
      const at = (first + ago) % minutes
      return { requests: this.#requests[at]!, failures: this.#failures[at]! }
    })
  }

  /** Clears the minutes without a request. */
  #advance(): number {
    const minute = this.#readMinute()
    const skipped = Math.min(minute - this.#minute, minutes)
    for (let ago = 0; ago < skipped; ago += 1) {
      this.#requests[(minute - ago) % minutes] = 0
      this.#failures[(minute - ago) % minutes] = 0
    }
    this.#minute = minute
    return minute
  }

  #readMinute(): number {
    return Math.floor(this.#now() / minuteMs)
  }
}
