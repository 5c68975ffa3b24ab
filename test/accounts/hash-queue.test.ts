import t from 'tap'
import { errorTable } from '../../src/kosync/protocol.ts'
import { atOnce, HashQueue, retryAfter, type Lane } from '../../src/accounts/hash-queue.ts'

/** A queue, and work that ends when it is told to. */
function workshop(withinMs?: number) {
  const queue = new HashQueue()
  const started: string[] = []
  const ends = new Map<string, () => void>()
  const add = async (lane: Lane, name: string): Promise<void> =>
    await queue.run(
      lane,
      () => {
        started.push(name)
        return new Promise<void>((resolve) => ends.set(name, resolve))
      },
      withinMs,
    )
  return { add, started, end: (name: string) => ends.get(name)!() }
}

const names = Array.from({ length: atOnce }, (_, at) => `${at}`)

t.test('log-ins come before what came earlier in the other lane, each lane in its order', async (t) => {
  const { add, started, end } = workshop()
  const running = names.map((name) => add('first', name))
  const later = [add('later', 'later 1'), add('later', 'later 2')]
  const first = [add('first', 'first 1'), add('first', 'first 2')]
  await new Promise((resolve) => setImmediate(resolve))
  const ended = []
  for (const name of [...names, 'first 1', 'first 2', 'later 1', 'later 2']) {
    ended.push(name)
    end(name)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await Promise.all([...running, ...first, ...later])
  t.same(started, ended)
})

t.test('the other lane never takes the last place', async (t) => {
  const { add, started, end } = workshop()
  const later = [...names, 'one more'].map((name) => add('later', name))
  await new Promise((resolve) => setImmediate(resolve))
  t.same(started, names.slice(0, -1))
  const first = add('first', 'first')
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(started.at(-1), 'first')
  for (let at = 0; at < started.length; at++) {
    end(started[at]!)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await Promise.all([first, ...later])
  t.equal(started.length, names.length + 2)
})

t.test('what can not begin in time is refused, to be asked again a while later, and leaves its place', async (t) => {
  const { add, started, end } = workshop(1)
  const running = names.map((name) => add('first', name))
  const refused = [add('first', 'too late'), add('later', 'too late')]
  for (const each of await Promise.allSettled(refused)) {
    t.match(each, { status: 'rejected', reason: { error: 'unavailable' } })
    const { retryAfter: seconds } = (each as PromiseRejectedResult).reason as { retryAfter: number }
    t.ok(Number.isInteger(seconds) && seconds >= 1 && seconds <= 5)
  }
  await new Promise((resolve) => setImmediate(resolve))
  for (const name of names) end(name)
  await Promise.all(running)
  t.same(started, names)
})

t.test('who is refused is told to come back after 1 to 5 seconds, each as likely', async (t) => {
  t.same(
    [0, 0.19, 0.2, 0.39, 0.4, 0.59, 0.6, 0.79, 0.8, 0.999].map((random) => retryAfter(() => random)),
    [1, 1, 2, 2, 3, 3, 4, 4, 5, 5],
  )
})

t.test('more than could be served in time is refused at once', async (t) => {
  const { add, end } = workshop(60_000)
  const running = names.map((name) => add('first', name))
  const waiting = Array.from({ length: 1000 }, (_, at) => add('later', `waiting ${at}`))
  await t.rejects(add('later', 'too many'), { message: errorTable.unavailable.message })
  await new Promise((resolve) => setImmediate(resolve))
  for (const name of names) end(name)
  await Promise.all(running)
  for (let at = 0; at < waiting.length; at++) {
    await new Promise((resolve) => setImmediate(resolve))
    end(`waiting ${at}`)
  }
  await Promise.all(waiting)
})

t.test('work that fails gives its place free', async (t) => {
  const queue = new HashQueue()
  for (const name of [...names, ...names]) {
    await t.rejects(
      queue.run('later', async () => {
        throw new Error(name)
      }),
      new Error(name),
    )
  }
})

t.test('what would have to wait too long is refused at once, unless it waits as long as it takes', async (t) => {
  const now = performance.now()
  let passed = 0
  t.intercept(performance, 'now', { value: () => now + passed })
  const { add, started, end } = workshop(500)
  const first = add('first', 'a second of work')
  await new Promise((resolve) => setImmediate(resolve))
  passed += 10_000
  end('a second of work')
  await first
  const running = names.map((name) => add('first', name))
  await t.rejects(add('first', 'too late'), { message: errorTable.unavailable.message })
  const patient = workshop(Infinity)
  const all = [...names, 'one more'].map((name) => patient.add('first', name))
  await new Promise((resolve) => setImmediate(resolve))
  for (const name of names) end(name)
  for (const name of names) patient.end(name)
  await new Promise((resolve) => setImmediate(resolve))
  patient.end('one more')
  await Promise.all([...running, ...all])
  t.same(started, ['a second of work', ...names])
})

t.test('what nobody waits for any more is not begun, though its timer is late', async (t) => {
  const now = performance.now()
  let passed = 0
  t.intercept(performance, 'now', { value: () => now + passed })
  const { add, started, end } = workshop(60_000)
  const running = names.map((name) => add('first', name))
  const late = add('first', 'late')
  await new Promise((resolve) => setImmediate(resolve))
  passed += 60_001
  end(names[0]!)
  await t.rejects(late, { message: errorTable.unavailable.message })
  for (const name of names.slice(1)) end(name)
  await Promise.all(running)
  t.same(started, names)
})
