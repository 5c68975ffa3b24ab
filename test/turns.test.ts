import t from 'tap'
import { Turns } from '../src/turns.ts'

t.test('work is done in the order of the calls, one at a time, whatever became of the one before', async (t) => {
  const turns = new Turns()
  const done: string[] = []
  const work = (name: string) => async () => {
    done.push(`${name} begins`)
    await new Promise((resolve) => setImmediate(resolve))
    done.push(`${name} ends`)
    if (name === 'a') throw new Error(name)
    return name
  }
  const [a, b] = await Promise.allSettled([turns.take(work('a')), turns.take(work('b'))])
  t.match(a, { reason: { message: 'a' } })
  t.match(b, { value: 'b' })
  t.same(done, ['a begins', 'a ends', 'b begins', 'b ends'])
})
