import t from 'tap'
import { CommandError } from '../../src/command-error.ts'
import { parseCount, parseDuration, parseTime } from '../../src/commands/time.ts'

/** What it makes of the text, or the message of what it throws. */
function result(parse: (text: string) => number, text: string): number | string {
  try {
    return parse(text)
  } catch (error) {
    return error instanceof CommandError && error.exitCode === 2 ? error.message : `another error: ${String(error)}`
  }
}

t.test('a duration is a number with a unit', async (t) => {
  for (const [text, seconds] of [
    ['10m', 600],
    ['2h', 7200],
    ['1d', 86_400],
    ['1.5 hours', 5400],
    ['1 ms', 1],
    ['3 Weeks', 1_814_400],
  ] as const) {
    t.equal(result(parseDuration, text), seconds, text)
  }
  for (const text of ['', '10', 'm', '-1h', '0m', '1h30m', '5 moons', '2026', `${'1'.repeat(20)}s`, ' 1h']) {
    t.equal(result(parseDuration, text), `"${text}" is not a duration. Pass one such as 10m, 2h or 3d.`, text)
  }
})

t.test('a duration is 100 years at most', async (t) => {
  t.equal(result(parseDuration, '100y'), 100 * 365.25 * 86_400)
  for (const text of ['101y', '9999999999999y'])
    t.equal(result(parseDuration, text), `"${text}" is too long. Pass 100y at most.`)
})

t.test('a time is a date, a date with the time of day, or so long ago', async (t) => {
  for (const [text, local] of [
    ['2026-01-31', '2026-01-31T23:59:59'],
    ['2026-01-31 21:30', '2026-01-31T21:30:59'],
    ['2026-01-31T21:30', '2026-01-31T21:30:59'],
    ['2026-01-31 21:30:05', '2026-01-31T21:30:05'],
    ['2026-01-31 21:30:05.7', '2026-01-31T21:30:05'],
    ['2026-01-31 21:30Z', '2026-01-31T21:30:59Z'],
    ['2026-01-31T21:30+02:00', '2026-01-31T19:30:59Z'],
  ] as const) {
    t.equal(result(parseTime, text), Date.parse(local) / 1000, text)
  }
  t.intercept(Date, 'now', { value: () => 1_000_000_999 })
  t.equal(result(parseTime, '2h'), 1_000_000 - 7200)
  for (const text of [
    '',
    'yesterday',
    '5',
    '0h',
    '2026',
    '2026-13-01',
    '2026-01-31 25:00',
    '2026-02-31',
    '31.1.2026',
    '21:30',
    'Jan 31 2026',
  ]) {
    const message = `"${text}" is not a time. Pass 2026-01-31, "2026-01-31 21:30", or 2h for two hours ago.`
    t.equal(result(parseTime, text), message, text)
  }
})

t.test('a count is a whole number over 0', async (t) => {
  t.equal(parseCount('1'), 1)
  t.equal(parseCount('999999999'), 999_999_999)
  for (const text of ['', '0', '-1', '1.5', '1e3', '01', ' 1', 'all', '1000000000', 'Infinity']) {
    t.equal(result(parseCount, text), `"${text}" is not a whole number over 0.`, text)
  }
})
