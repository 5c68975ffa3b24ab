import t from 'tap'
import { fromRow, fromRows, toFields, toProgress, toRow } from '../../../src/store/redis-store/records.ts'

const record = { document: 'abc', percentage: 0.5, progress: '56', device: 'kpw', timestamp: 1000 }
const fields = ['percentage', '0.5', 'progress', '56', 'device', 'kpw', 'timestamp', '1000']

t.test('a record comes back as it was stored', async (t) => {
  const whole = { ...record, device_id: 'A', metadata: { title: 'Dune' }, title: 'My Dune' }
  t.same(toProgress('abc', toFields(whole)), whole)
  t.same(fromRow('abc', toRow(record)), record)
})

t.test('a record of the official server is read', async (t) => {
  t.same(toProgress('abc', fields), record)
  t.same(toProgress('abc', [...fields, 'device_id', 'userdata: NULL']), record)
  t.same(toProgress('abc', [...fields.slice(0, 6), 'timestamp', '1000.5']), record)
})

t.test('a field that kss does not know stays', async (t) => {
  t.same(toFields(toProgress('abc', [...fields, 'note', 'mine'])).slice(-2).length, 2)
  t.match(toProgress('abc', [...fields, 'note', 'mine']), { note: 'mine' })
})

t.test('a record without a device is read, and metadata that is none is left out', async (t) => {
  t.match(toProgress('abc', ['percentage', '1', 'progress', '', 'timestamp', '1']), { device: '', progress: '' })
  for (const text of ['{', '1', 'null']) {
    t.notOk(toProgress('abc', [...fields, 'metadata', text]).metadata)
  }
})

t.test('a record that cannot be read says why', async (t) => {
  for (const [damaged, reason] of [
    [[], 'has no progress'],
    [['progress', '1', 'timestamp', '1', 'percentage', 'nan'], 'has no percentage'],
    [['progress', '1', 'timestamp', '1', 'percentage', ' '], 'has no percentage'],
  ] as const) {
    t.throws(() => toProgress('abc', [...damaged]), { code: 'DAMAGED_FILE', message: `document "abc": ${reason}` })
  }
})

t.test(
  'a record is read as its server meant it: without a percentage or a time, or with one in milliseconds',
  async (t) => {
    const at = (...more: string[]): unknown => toProgress('abc', ['progress', '1', ...more])
    t.match(at(), { percentage: 0, timestamp: 0 })
    t.match(at('timestamp', 'soon'), { timestamp: 0 })
    t.match(at('timestamp', '1700000500123'), { timestamp: 1_700_000_500 })
  },
)

t.test('rows that cannot be read are left out', async (t) => {
  const row = toRow(toProgress('abc', fields))
  const bad = ['', '{', '[]', '1', '{}', '{"progress":"1","percentage":1}', '{"progress":"1","timestamp":1}']
  t.same(fromRows('abc', [...bad, row]), [fromRow('abc', row)])
})
