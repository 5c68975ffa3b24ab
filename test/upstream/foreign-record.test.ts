import t from 'tap'
import { readForeignRecord } from '../../src/upstream/foreign-record.ts'

const now = 1_700_000_000
const record = {
  document: 'abc',
  percentage: 0.5,
  progress: '56',
  device: 'kpw',
  device_id: 'ID',
  timestamp: 1_600_000_000,
}
const { device_id: _id, ...withoutId } = record

t.test('a record is taken as it is, without what a reader does not push', async (t) => {
  t.same(readForeignRecord({ ...record, metadata: { title: 'x' }, username: 'ann', title: 'x' }, 'abc', now), record)
  t.same(readForeignRecord(withoutId, 'abc', now), withoutId)
})

t.test('a percentage may be a text', async (t) => {
  t.equal(readForeignRecord({ ...record, percentage: '0.25' }, 'abc', now)?.percentage, 0.25)
})

for (const device_id of [5, null, '\ud800']) {
  t.test(`a device_id of ${JSON.stringify(device_id)} is dropped`, async (t) => {
    t.same(readForeignRecord({ ...record, device_id }, 'abc', now), withoutId)
  })
}

for (const [timestamp, expected] of [
  [1_600_000_000, 1_600_000_000],
  [1_600_000_000.9, 1_600_000_000],
  ['1600000000', 1_600_000_000],
  [1_600_000_000_999, 1_600_000_000],
  [now + 5, now],
  [9e15, now],
  [1e300, now],
  [0, 1],
  [-5, 1],
  [undefined, 1],
  [null, 1],
  [true, 1],
  ['yesterday', 1],
  [{}, 1],
] as const) {
  t.test(`a timestamp of ${JSON.stringify(timestamp)} is ${expected}`, async (t) => {
    t.equal(readForeignRecord({ ...record, timestamp }, 'abc', now)?.timestamp, expected)
  })
}

for (const [what, other] of [
  ['another document', { document: 'ABC' }],
  ['no document', { document: undefined }],
  ['no progress', { progress: undefined }],
  ['a number for progress', { progress: 56 }],
  ['half a surrogate pair in progress', { progress: '\ud800' }],
  ['no device', { device: undefined }],
  ['no percentage', { percentage: undefined }],
  ['a null percentage', { percentage: null }],
  ['too large a percentage', { percentage: '1e999' }],
] as const) {
  t.test(`a record with ${what} is none`, async (t) => {
    t.equal(readForeignRecord({ ...record, ...other }, 'abc', now), undefined)
  })
}
