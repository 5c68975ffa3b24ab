import t from 'tap'
import { parseProgress } from '../../src/store/progress-file.ts'

const record = { document: 'abc', percentage: 0.5, progress: '56', device: 'kpw', timestamp: 1000 }
const parse = (more: object): object => parseProgress(JSON.stringify({ ...record, ...more }), 'abc.json', 7)

for (const [what, written, expected] of [
  ['a record as kss writes it', { device_id: 'A', metadata: { title: 'Dune' } }, {}],
  ['fields that kss does not know', { note: 'mine' }, {}],
  ['a percentage as a string', { percentage: '0.25' }, { percentage: 0.25 }],
  ['a null percentage, which was 0', { percentage: null }, { percentage: 0 }],
  ['a time in milliseconds', { timestamp: 1_700_000_000_999 }, { timestamp: 1_700_000_000 }],
  ['a time with a fraction', { timestamp: 1000.9 }, { timestamp: 1000 }],
  ['a time as a string', { timestamp: '1000' }, { timestamp: 1000 }],
  ['no time: that of the file', { timestamp: null }, { timestamp: 7 }],
  ['a time that is none', { timestamp: 'now' }, { timestamp: 7 }],
  ['no device', { device: null }, { device: '' }],
] as const) {
  t.test(`reads ${what}`, async (t) => {
    t.same(parse(written), { ...record, ...written, ...expected })
  })
}

t.test('optional fields of the wrong type are as if they were not there', async (t) => {
  t.same(parse({ device_id: null, metadata: 'Dune' }), record)
  t.same(parse({ device_id: 5, metadata: [] }), record)
})
