import t from 'tap'
import { readTime } from '../src/foreign-time.ts'

for (const [what, written, expected] of [
  ['SQLite', '2025-04-01 12:00:00', 1_743_508_800],
  ['JavaScript', '2025-04-01T12:00:00.000Z', 1_743_508_800],
  ['.NET, with a zone', '2025-04-01T22:00:00.2254321+10:00', 1_743_508_800.225],
  ['.NET, without one', '2025-04-01T12:00:00.5', 1_743_508_800.5],
  ['Python, with a zone', '2025-04-01 10:00:00-0200', 1_743_508_800],
] as const) {
  t.test(`a time as ${what} writes it becomes seconds`, async (t) => {
    t.equal(readTime(written), expected)
  })
}

t.test('the year 1 of .NET and a day that is none are no time', async (t) => {
  t.equal(readTime('0001-01-01T00:00:00'), undefined)
  t.equal(readTime('2025-04-99 12:00:00'), undefined)
})

// AtjonTV/kosync, migrations/sql/101-change_timestamps_to_subsecond.sql and 103-unify_timestamps.sql
t.test('a time in 1/10,000 s, as KOsync counts, becomes seconds', async (t) => {
  t.equal(readTime(17_435_088_001_234), 1_743_508_800.1234)
})

t.test('what is no such text stays as it is', async (t) => {
  for (const value of [1_743_508_800, 1_743_508_800_000, '1743508800', 'soon', null, undefined]) {
    t.equal(readTime(value), value)
  }
})
