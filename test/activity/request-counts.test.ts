import t from 'tap'
import { RequestCounts } from '../../src/activity/request-counts.ts'

const minute = 60_000

t.test('counts requests and failures of the last 60 minutes', async (t) => {
  let time = 7 * minute
  const counts = new RequestCounts(() => time)
  counts.add(false)
  counts.add(true)
  time += 2 * minute
  counts.add(false)
  const list = counts.list()
  t.equal(list.length, 60)
  t.same(list.slice(-3), [
    { requests: 2, failures: 1 },
    { requests: 0, failures: 0 },
    { requests: 1, failures: 0 },
  ])
  time += 57 * minute
  t.same(counts.list()[0], { requests: 2, failures: 1 }, 'the first minute is the oldest one now')
  time += minute
  t.same(
    counts.list().filter(({ requests }) => requests > 0),
    [{ requests: 1, failures: 0 }],
    'its place is taken by a new minute',
  )
  time += 1000 * minute
  t.notOk(counts.list().some(({ requests }) => requests > 0))
})

t.test('counts from the start of the clock', async (t) => {
  const counts = new RequestCounts()
  counts.add(false)
  t.equal(
    counts.list().reduce((sum, { requests }) => sum + requests, 0),
    1,
  )
})
