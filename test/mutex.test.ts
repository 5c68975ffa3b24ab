import t from 'tap'
import { Mutex } from '../src/mutex.ts'

t.test('work is done in the order of the calls, one at a time, whatever became of the one before', async (t) => {
  const mutex = new Mutex()
  const done: string[] = []
  const work = (name: string) => async () => {
    done.push(`${name} begins`)
    await new Promise((resolve) => setImmediate(resolve))
    done.push(`${name} ends`)
    if (name === 'a') throw new Error(name)
    return name
  }
  const [a, b] = await Promise.allSettled([mutex.run(work('a')), mutex.run(work('b'))])
  t.match(a, { reason: { message: 'a' } })
  t.match(b, { value: 'b' })
  t.same(done, ['a begins', 'a ends', 'b begins', 'b ends'])
})
