import t from 'tap'
import { errorTable, nextProgress, type Progress } from '../../src/kosync/protocol.ts'

const day = 86_400
const at = (timestamp: number, more: Partial<Progress> = {}): Progress => ({
  document: 'abc',
  percentage: 0.5,
  progress: '56',
  device: 'kpw',
  timestamp,
  ...more,
})

t.test('the first push is the record', async (t) => {
  t.same(nextProgress(undefined, at(1000)), at(1000))
})

t.test('the last write wins, even backwards', async (t) => {
  t.match(nextProgress(at(1000, { percentage: 0.9 }), at(1001, { percentage: 0.1 })), { percentage: 0.1 })
})

for (const [name, previous, now, expected] of [
  ['time goes on', 1000, 2000, 2000],
  ['the clock went back an hour', 10_000, 6400, 10_000],
  ['the clock went back exactly a day', 10_000 + day, 10_000, 10_000 + day],
  ['the stored time is more than a day ahead', 10_001 + day, 10_000, 10_000],
] as const) {
  t.test(`stamps ${expected} when ${name}`, async (t) => {
    t.equal(nextProgress(at(previous), at(now)).timestamp, expected)
  })
}

t.test('a push without metadata keeps the metadata there is', async (t) => {
  const metadata = { title: 'Dune' }
  t.same(nextProgress(at(1, { metadata }), at(2)).metadata, metadata)
  t.same(nextProgress(at(1, { metadata }), at(2, { metadata: { title: 'Emma' } })).metadata, { title: 'Emma' })
})

t.test('a push without device_id has none, whatever the last one had', async (t) => {
  t.notOk('device_id' in nextProgress(at(1, { device_id: 'A' }), at(2)))
})

t.test('fields that kss does not know stay', async (t) => {
  t.match(nextProgress({ ...at(1), note: 'mine' } as Progress, at(2)), { note: 'mine', timestamp: 2 })
})

t.test('every error has a message for people', async (t) => {
  for (const { message, code, status } of Object.values(errorTable)) {
    t.ok(message.length > 0 && code > 0 && status >= 400)
  }
})
