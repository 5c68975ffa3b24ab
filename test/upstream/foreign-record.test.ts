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

// adammillerio/kss, kss.py, pull(): no document, and what is falsy is left out.
t.test('an answer of Python kss is of the document that was asked for, at 0 when it names no percentage', async (t) => {
  const { document: _document, ...unnamed } = record
  const { percentage: _percentage, ...atStart } = unnamed
  t.same(readForeignRecord(unnamed, 'abc', now), record)
  t.same(readForeignRecord(atStart, 'abc', now), { ...record, percentage: 0 })
})

t.test('a percentage of null is 0, and a device that is absent or null has no name', async (t) => {
  const { device: _device, ...withoutDevice } = record
  for (const answer of [withoutDevice, { ...record, device: null }])
    t.same(readForeignRecord(answer, 'abc', now), { ...record, device: '' })
  t.equal(readForeignRecord({ ...record, percentage: null }, 'abc', now)?.percentage, 0)
})

t.test('a page number becomes text', async (t) => {
  t.equal(readForeignRecord({ ...record, progress: 56 }, 'abc', now)?.progress, '56')
})

// GeorgeSG/KoInsight sends its row of the table progress, which has no timestamp.
for (const updated_at of [1_600_000_000, 1_600_000_000_999, '2020-09-13T12:26:40.000Z', '2020-09-13 12:26:40']) {
  t.test(`without a timestamp, an updated_at of ${updated_at} is the time`, async (t) => {
    t.same(readForeignRecord({ ...record, timestamp: undefined, updated_at }, 'abc', now), record)
  })
}

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
  [16_000_000_009_999, 1_600_000_000],
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
  ['a null document', { document: null }],
  ['no progress', { progress: undefined }],
  ['a list for progress', { progress: [56] }],
  ['half a surrogate pair in progress', { progress: '\ud800' }],
  ['too large a percentage', { percentage: '1e999' }],
] as const) {
  t.test(`a record with ${what} is none`, async (t) => {
    t.equal(readForeignRecord({ ...record, ...other }, 'abc', now), undefined)
  })
}
