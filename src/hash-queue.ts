import { availableParallelism } from 'node:os'
import { ProtocolError } from './errors.ts'

/** Who is served first: log-ins of accounts, or everything else: password changes, registrations, unknown users. */
export type Lane = 'first' | 'later'

interface Waiting {
  start: () => void
  timer: NodeJS.Timeout
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

/** Seconds. Those who are refused together must not come back together. */
const retryAfter = { min: 1, max: 5 }

/**
 * Work that takes a core for a while, some at a time, each lane in the order of its calls. What waits in the later lane
 * never takes the last place. Nothing waits longer than a reader does: it is refused, and may be asked again.
 */
export class HashQueue {
  readonly #first: Waiting[] = []
  readonly #later: Waiting[] = []
  #running = 0
  #runningLater = 0

  /** Resolves or rejects as the work does; rejects with `unavailable` when it cannot begin within the milliseconds. */
  async run<T>(lane: Lane, work: () => Promise<T>, withinMs: number = patienceMs): Promise<T> {
    await this.#turn(lane, withinMs)
    try {
      return await work()
    } finally {
      this.#running -= 1
      if (lane === 'later') this.#runningLater -= 1
      this.#startNext()
    }
  }

  #turn(lane: Lane, withinMs: number): Promise<void> {
    const queue = lane === 'first' ? this.#first : this.#later
    return new Promise((resolve, reject) => {
      const refuse = (): void => {
        reject(new ProtocolError('unavailable', jitter()))
      }
      if (queue.length >= mostWaiting) {
        refuse()
        return
      }
      const timer = setTimeout(() => {
        queue.splice(queue.indexOf(waiting), 1)
        refuse()
      }, withinMs)
      const waiting = { start: resolve, timer }
      queue.push(waiting)
      this.#startNext()
    })
  }

  #startNext(): void {
    if (this.#running < atOnce && this.#first.length > 0) this.#start(this.#first.shift()!)
    else if (this.#running < atOnce && this.#runningLater < atOnce - 1 && this.#later.length > 0) {
      this.#runningLater += 1
      this.#start(this.#later.shift()!)
    }
  }

  #start({ start, timer }: Waiting): void {
    clearTimeout(timer)
    this.#running += 1
    start()
  }
}

function jitter(): number {
  const { min, max } = retryAfter
  return min + Math.floor(Math.random() * (max - min + 1))
}
