import { setImmediate as nextTurn } from 'node:timers/promises'

/** Milliseconds of work after which a server looks after its readers. */
const turnMs = 4

/** The same items, but other work of the process comes in between: what makes them reads files synchronously. */
export async function* paced<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
  let start = performance.now()
  for await (const item of items) {
    yield item
    if (performance.now() - start < turnMs) continue
    await nextTurn()
    start = performance.now()
  }
}
