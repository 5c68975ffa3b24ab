import t from 'tap'
import { Batcher } from '../src/batcher.ts'

/** A batcher whose runs end when told; each item's result is the number of its run. */
function build(): { batcher: Batcher<string, number>; runs: string[][]; end: (error?: Error) => Promise<void> } {
  const runs: string[][] = []
  let settle: ((error?: Error) => void)[] = []
  const batcher = new Batcher<string, number>(async (_key, items) => {
    const run = runs.push(items)
    await new Promise<void>((resolve, reject) => settle.push((error) => (error ? reject(error) : resolve())))
    return items.map(() => run)
  })
  const end = async (error?: Error): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve))
    const now = settle
    settle = []
    for (const run of now) run(error)
  }
  return { batcher, runs, end }
}

t.test('what arrives during a run goes into the next one, together', async (t) => {
  const { batcher, runs, end } = build()
  const first = batcher.add('k', 'a')
  await new Promise((resolve) => setImmediate(resolve))
  const later = [batcher.add('k', 'b'), batcher.add('k', 'c')]
  t.same(runs, [['a']])
  await end()
  t.equal(await first, 1)
  await end()
  t.same(await Promise.all(later), [2, 2])
  t.same(runs, [['a'], ['b', 'c']])
})

t.test('keys do not wait for each other', async (t) => {
  const { batcher, runs, end } = build()
  const both = [batcher.add('k', 'a'), batcher.add('l', 'b')]
  await end()
  t.same(await Promise.all(both), [1, 2])
  t.same(runs, [['a'], ['b']])
})

t.test('a run that fails fails its own items, and the next one runs', async (t) => {
  const { batcher, end } = build()
  const failing = t.rejects(batcher.add('k', 'a'), { message: 'disk' })
  await new Promise((resolve) => setImmediate(resolve))
  const next = batcher.add('k', 'b')
  await end(new Error('disk'))
  await failing
  await end()
  t.equal(await next, 2)
})

t.test('drained waits for all that was added so far, also when it fails', async (t) => {
  let ran = 0
  const batcher = new Batcher<number, number>(async (_key, items) => {
    await new Promise((resolve) => setImmediate(resolve))
    ran += items.length
    if (items.includes(2)) throw new Error('two')
    return items
  })
  await batcher.drained('key')
  const one = batcher.add('key', 1)
  await new Promise((resolve) => setImmediate(resolve))
  const two = t.rejects(batcher.add('key', 2), { message: 'two' })
  await batcher.drained('key')
  t.equal(ran, 2)
  t.equal(await one, 1)
  await two
})
