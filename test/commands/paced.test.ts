import t from 'tap'
import { paced } from '../../src/commands/paced.ts'

/** Work that leaves the event loop no turn for itself. */
async function* busy(times: number): AsyncGenerator<number> {
  for (let at = 0; at < times; at += 1) {
    const start = performance.now()
    while (performance.now() - start < 2);
    yield at
  }
}

t.test('other work of the process comes in between', async (t) => {
  let turns = 0
  const count = (): void => {
    turns += 1
    turn = setImmediate(count)
  }
  let turn = setImmediate(count)
  const items: number[] = []
  for await (const item of paced(busy(20))) items.push(item)
  clearImmediate(turn)
  t.same(items, [...Array.from({ length: 20 }).keys()])
  t.ok(turns > 1, `${turns} turns`)
})
