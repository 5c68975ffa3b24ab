/** Works the items off together; resolves to one result for each, in their order. */
type Run<Item, Result> = (key: string, items: Item[]) => Promise<Result[]>

/**
 * One run at a time for each key; what arrives during a run waits and goes into the next one together. So there is
 * one writer per path, and many callers share one flush.
 */
export class Batcher<Item, Result> {
  readonly #run: Run<Item, Result>
  readonly #waiting = new Map<string, { items: Item[]; results: Promise<Result[]> }>()
  readonly #running = new Map<string, Promise<unknown>>()

  constructor(run: Run<Item, Result>) {
    this.#run = run
  }

  /** Resolves to the item's result of the run that takes it, or rejects as that run does. */
  async add(key: string, item: Item): Promise<Result> {
    const batch = this.#waiting.get(key) ?? this.#open(key)
    const at = batch.items.push(item) - 1
    const results = await batch.results
    return results[at]!
  }

  /** Resolves when all that was added so far has run, whatever became of it. */
  async drained(key: string): Promise<void> {
    await Promise.allSettled([this.#running.get(key), this.#waiting.get(key)?.results])
  }

  #open(key: string): { items: Item[]; results: Promise<Result[]> } {
    const items: Item[] = []
    const before = this.#running.get(key) ?? Promise.resolve()
    const batch = { items, results: before.then(() => this.#start(key, items)) }
    this.#waiting.set(key, batch)
    return batch
  }

  #start(key: string, items: Item[]): Promise<Result[]> {
    this.#waiting.delete(key)
    const results = this.#run(key, items)
    const ended = results.then(
      () => this.#end(key),
      () => this.#end(key),
    )
    this.#running.set(key, ended)
    return results
  }

  #end(key: string): void {
    if (!this.#waiting.has(key)) this.#running.delete(key)
  }
}
