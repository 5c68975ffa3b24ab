import { availableParallelism } from 'node:os'
import { ProtocolError } from '../kosync/protocol-error.ts'

/** Who is served first: log-ins of accounts, or everything else: password changes, registrations, unknown users. */
export type Lane = 'first' | 'later'

interface Waiting {
  start: () => void
  refuse: () => void
  timer: NodeJS.Timeout | undefined
  /** performance.now() after which nobody waits for it. */
  deadline: number
}

/**
 * Each takes a core, a thread of the pool and 16 MiB for some 50 ms. The pool has 8 threads, and some are for the disk.
 * At least two, so that a log-in does not wait for a stranger's check.
 */
export const atOnce = Math.min(Math.max(2, availableParallelism()), 6)

/** Milliseconds: a reader gives up after 2 s of silence. @see PROTOCOL.md §4 */
export const patienceMs = 1500

/** More than can be served in that time; it bounds the memory. */
const mostWaiting = 1000

/**
 * Runs work that takes a core for a while, a few calls at a time, each lane in the order of its calls. Calls in the later
 * lane never take the last free place. A call that would wait longer than a reader does is refused, and may be repeated.
 */
export class HashQueue {
  readonly #first: Waiting[] = []
  readonly #later: Waiting[] = []
  #running = 0
  #runningLater = 0
  /** Milliseconds that the work took lately. */
  #workMs = 0

  /** The number of calls that run or wait. */
  get size(): number {
    return this.#running + this.#first.length + this.#later.length
  }

  /**
   * Resolves or rejects as the work does; rejects with `unavailable` when it cannot begin within the milliseconds: at once
   * where that is to be seen, as it would have to wait for nothing. Without a limit it waits as long as it takes.
   */
  async run<T>(lane: Lane, work: () => Promise<T>, withinMs: number = patienceMs): Promise<T> {
    await this.#turn(lane, withinMs)
    const start = performance.now()
    try {
      return await work()
    } finally {
      this.#workMs = (this.#workMs + performance.now() - start) / 2
      this.#running -= 1
      if (lane === 'later') this.#runningLater -= 1
      this.#startNext()
    }
  }

  #turn(lane: Lane, withinMs: number): Promise<void> {
    const queue = lane === 'first' ? this.#first : this.#later
    const before = this.#running + this.#first.length + (lane === 'later' ? this.#later.length : 0)
    const waitMs = ((before + 1 - atOnce) / atOnce) * this.#workMs
    return new Promise((resolve, reject) => {
      const refuse = (): void => {
        reject(new ProtocolError('unavailable', retryAfter()))
      }
      if (withinMs !== Infinity && (queue.length >= mostWaiting || waitMs > withinMs)) {
        refuse()
        return
      }
      const expire = (): void => {
        queue.splice(queue.indexOf(waiting), 1)
        refuse()
      }
      const timer = withinMs === Infinity ? undefined : setTimeout(expire, withinMs)
      const waiting = { start: resolve, refuse, timer, deadline: performance.now() + withinMs }
      queue.push(waiting)
      this.#startNext()
    })
  }

  #startNext(): void {
    if (this.#running >= atOnce) return
    const isFirst = this.#first.length > 0
    if (!isFirst && this.#runningLater >= atOnce - 1) return
    const waiting = (isFirst ? this.#first : this.#later).shift()
    if (!waiting) return
    clearTimeout(waiting.timer)
    if (performance.now() > waiting.deadline) {
      // Its timer is late: the process had much else to do.
      waiting.refuse()
      this.#startNext()
      return
    }
    this.#running += 1
    if (!isFirst) this.#runningLater += 1
    waiting.start()
  }
}

/** Seconds for Retry-After, 1 to 5 at random: clients that are refused together must not come back together. */
export function retryAfter(random: () => number = Math.random): number {
  return 1 + Math.floor(random() * 5)
}
