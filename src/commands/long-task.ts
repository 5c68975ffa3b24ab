import type { LongTask, RunState } from '../console/operator-tasks.ts'

/** Called with the progress of the work. */
type Show = (done: number, total: number) => void

/** Work of minutes in the server. One run is under way at a time; a stop of the server aborts it. */
export class OneAtATime<T> implements LongTask<T> {
  readonly #work: (show: Show, signal: AbortSignal) => Promise<T>
  readonly #onFailure: (error: unknown) => string
  readonly #stopping = new AbortController()
  #state: RunState<T> = { is: 'idle' }
  #run = Promise.resolve()

  /** `onFailure` says it in a sentence for a person. */
  constructor(work: (show: Show, signal: AbortSignal) => Promise<T>, onFailure: (error: unknown) => string) {
    this.#work = work
    this.#onFailure = onFailure
  }

  start(): boolean {
    if (this.#state.is === 'running' || this.#stopping.signal.aborted) return false
    const started = now()
    const show: Show = (done, total) => void (this.#state = { is: 'running', started, done, total })
    show(0, 0)
    this.#run = this.#work(show, this.#stopping.signal).then(
      (result) => void (this.#state = { is: 'done', started, ended: now(), result }),
      (error: unknown) => void (this.#state = { is: 'failed', started, ended: now(), reason: this.#onFailure(error) }),
    )
    return true
  }

  state(): RunState<T> {
    return this.#state
  }

  /** Resolves when nothing works any more. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#run
  }
}

function now(): number {
  return Math.floor(Date.now() / 1000)
}
