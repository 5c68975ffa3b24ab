/** One piece of work at a time, in the order of the calls. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()

  /** Does the work when all that was asked for before has ended, whatever became of it. */
  take<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work)
    this.#last = result.catch(() => undefined)
    return result
  }
}
