const minute = 60_000

/** Exponential backoff: a second after the first failure, then twice as long each time, up to a minute. */
export class Backoff {
  readonly #now: () => number
  #failures = 0
  #due = 0

  /** `now` is in milliseconds. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Milliseconds until the next retry; zero or less when it is due. */
  get delay(): number {
    return this.#due - this.#now()
  }

  failed(): void {
    this.#due = this.#now() + Math.min(1000 * 2 ** this.#failures, minute)
    this.#failures += 1
  }

  reset(): void {
    this.#failures = 0
    this.#due = 0
  }
}

/** A timer that fires once, at the earliest time that was set since it last fired. */
export class Alarm {
  readonly #ring: () => void
  readonly #now: () => number
  #timer: NodeJS.Timeout | undefined
  #due = Infinity

  constructor(ring: () => void, now: () => number) {
    this.#ring = ring
    this.#now = now
  }

  /** In so many milliseconds. */
  set(ms: number): void {
    const due = this.#now() + ms
    if (this.#due <= due) return
    this.clear()
    this.#due = due
    this.#timer = setTimeout(
      () => {
        this.clear()
        this.#ring()
      },
      Math.max(ms, 0),
    )
  }

  clear(): void {
    clearTimeout(this.#timer)
    this.#due = Infinity
  }
}

/** Rate-limits error reports to one a minute. `now` is in milliseconds. */
export function oncePerMinute(tell: (error: unknown) => void, now: () => number): (error: unknown) => void {
  let told = -Infinity
  return (error) => {
    if (now() - told < minute) return
    told = now()
    tell(error)
  }
}

/** The error to report for a file that cannot be written, with the code of the file system's error. */
export function cannotWrite(path: string, failure: unknown): Error {
  const { code, message } = failure as NodeJS.ErrnoException
  const isMendable = ['EACCES', 'EEXIST', 'EISDIR', 'ENOTDIR', 'EPERM'].includes(String(code))
  const cure = isMendable ? ' To mend it: kss check --repair, or move away what is in its place.' : ''
  const text = `Cannot write ${path}: ${message}. Its pushes are kept in the log, and kss tries again.${cure}`
  return Object.assign(new Error(text), { code })
}
