import { setImmediate as nextTurn } from 'node:timers/promises'

/** Milliseconds of work after which the event loop may handle requests. */
const turnMs = 4

/** Yields the same items, and lets the event loop run in between: the iterable reads files synchronously. */
export async function* paced<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
  let start = performance.now()
  for await (const item of items) {
    yield item
    if (performance.now() - start < turnMs) continue
    await nextTurn()
    start = performance.now()
  }
}
