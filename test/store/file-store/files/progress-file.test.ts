import t from 'tap'
import { DamagedFile } from '../../../../src/damaged-file.ts'
import { ignoredFields, parseProgress } from '../../../../src/store/file-store/files/progress-file.ts'

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
  ['metadata that kss does not know', { metadata: { series: 3 } }, {}],
  ['a page number', { progress: 57 }, { progress: '57' }],
] as const) {
  t.test(`reads ${what}`, async (t) => {
    t.same(parse(written), { ...record, ...written, ...expected })
  })
}

t.test('optional fields of the wrong type are as if they were not there', async (t) => {
  t.same(parse({ device_id: null, metadata: 'Dune' }), record)
  t.same(parse({ device_id: 5, metadata: [] }), record)
})

for (const [fields, ignored] of [
  [{ title: 5, metadata: { title: 1984, filename: ['x'], authors: {}, series: 3 } }, { metadata: { series: 3 } }],
  [{ title: null, metadata: { title: null } }, { metadata: {} }],
  [{ device_id: 5, metadata: 'Dune' }, {}],
] as const) {
  t.test(`${JSON.stringify(fields)} has no text where text must be`, async (t) => {
    t.strictSame(parse(fields), { ...record, ...ignored })
  })
}

t.test('what is ignored because of its type is known by name', async (t) => {
  t.same(ignoredFields({ ...record, device_id: null, title: undefined, metadata: { title: null, series: 3 } }), [])
  t.same(ignoredFields({ device: 5, device_id: {}, title: 1, timestamp: 'now', metadata: { authors: ['x'] } }), [
    'device',
    'device_id',
    'title',
    'metadata.authors',
    'timestamp',
  ])
  t.same(ignoredFields({ metadata: [] }), ['metadata'])
})

for (const name of ['metadata', 'note']) {
  t.test(`a record whose ${name} is too deep to be written again is damaged`, async (t) => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    const text = JSON.stringify({ ...record, [name]: 5 }).replace('5}', `{"a":${deep}}}`)
    t.throws(() => parseProgress(text, 'abc.json', 7), new DamagedFile('abc.json', 'is nested too deeply'))
  })
}
