import t from 'tap'
import { Failure } from '../../src/audiobookshelf/failure.ts'
import { Outage } from '../../src/audiobookshelf/outage.ts'

const down = new Failure('unreachable', 'x')

function make(): { outage: Outage; pass: (ms: number) => void } {
  let now = 1_000_000
  return {
    outage: new Outage(
      () => now,
      () => 0.5,
    ),
    pass: (ms) => void (now += ms),
  }
}

t.test('after a failure pulls do not ask for 30 s, and sends wait 2, 4, 8 s', async (t) => {
  const { outage, pass } = make()
  t.ok(outage.maySend() && outage.mayPull())
  t.equal(outage.nextSend, 0)
  outage.failed(down)
  t.notOk(outage.maySend() || outage.mayPull())
  t.equal(outage.nextSend, 1_002_000)
  pass(2000)
  t.ok(outage.maySend())
  outage.failed(down)
  t.equal(outage.nextSend, 1_006_000)
  t.equal(outage.failure?.since, 1_000_000)
  pass(30_000)
  t.ok(outage.mayPull())
  outage.answered(false)
  t.ok(outage.maySend() && outage.mayPull())
  t.equal(outage.failure, undefined)
})

t.test('while something is wrong one request at a time finds out', async (t) => {
  const { outage, pass } = make()
  outage.failed(down)
  pass(60_000)
  await outage.probe(async () => {
    t.notOk(outage.maySend() || outage.mayPull())
  })
  t.ok(outage.maySend() && outage.mayPull())
  outage.answered(true)
  await outage.probe(async () => {
    t.ok(outage.maySend() && outage.mayPull())
  })
})

t.test('a pull that ran out of time lets only pulls wait, until one is quick again', async (t) => {
  const { outage, pass } = make()
  outage.ranOut()
  t.ok(outage.maySend())
  t.notOk(outage.mayPull())
  outage.answered(false)
  t.notOk(outage.mayPull())
  t.same(outage.complaint, { text: 'is slow', since: 1_000_000 })
  pass(30_000)
  t.ok(outage.mayPull())
  await outage.probe(async () => t.notOk(outage.mayPull()))
  outage.ranOut()
  t.equal(outage.complaint?.since, 1_000_000)
  outage.answered(true)
  t.ok(outage.mayPull())
  t.equal(outage.complaint, undefined)
})

t.test('waits as long as Audiobookshelf asks for', (t) => {
  const { outage, pass } = make()
  outage.failed(new Failure('tooManyRequests', 'x', 300))
  pass(299_000)
  t.notOk(outage.maySend() || outage.mayPull())
  pass(1000)
  t.ok(outage.maySend() && outage.mayPull())
  t.end()
})
