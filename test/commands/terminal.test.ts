import { PassThrough } from 'node:stream'
import t from 'tap'
import {
  ask,
  confirm,
  count,
  formatBytes,
  formatPercentage,
  formatTime,
  printPages,
  progressBar,
} from '../../src/commands/terminal.ts'
import { fakeTerminal } from './fake-terminal.ts'

t.test('numbers are for people', async (t) => {
  t.equal(formatTime(new Date(2026, 0, 31, 21, 30).getTime() / 1000), '2026-01-31 21:30')
  t.equal(formatTime(Number.NaN), 'unknown')
  t.equal(formatTime(1e15), 'unknown')
  t.equal(formatBytes(0), '0B')
  t.equal(formatBytes(1023), '1023B')
  t.equal(formatBytes(12_345), '12.1KB')
  t.equal(formatBytes(500 * 2 ** 20), '500MB')
  t.equal(formatBytes(3 * 2 ** 30), '3GB')
  t.equal(formatBytes(2 ** 52), '4096TB')
  t.equal(formatPercentage(0.5625), '56.3 %')
  t.equal(count(1, 'document'), '1 document')
  t.equal(count(0, 'document'), '0 documents')
  t.equal(count(12_345, 'document'), '12,345 documents')
})

async function printed<T>(work: () => Promise<T>): Promise<{ result: T; text: string }> {
  const write = process.stdout.write.bind(process.stdout)
  let text = ''
  process.stdout.write = (part: unknown) => Boolean((text += String(part)))
  const result = await work().finally(() => (process.stdout.write = write))
  return { result, text }
}

for (const length of [0, 1, 1000, 2500]) {
  t.test(`a list of ${length} is printed in pages, and is the same JSON as in one`, async (t) => {
    const items = Array.from({ length }, (_, at) => ({ at, name: `a\u001bb` }))
    const json = await printed(() => printPages(true, items, () => ''))
    t.same(json, { result: length, text: `${JSON.stringify(items, undefined, 2)}\n` })
    const format = (page: typeof items): string => `${page.map(({ at, name }) => `${at} ${name}\n`).join('')}end\n`
    const pages = Array.from({ length: Math.ceil(length / 1000) }, (_, at) => items.slice(at * 1000, (at + 1) * 1000))
    const text = pages.map((page) => `${page.map(({ at }) => `${at} a\\u{1b}b\n`).join('')}end\n`).join('')
    t.same(await printed(() => printPages(false, items, format)), { result: length, text })
  })
}

for (const answer of ['y', 'Y', 'yes', 'YES']) {
  t.test(`${answer} is a yes`, async (t) => {
    const terminal = fakeTerminal([['Go on? [y/N] ', `${answer}\n`]])
    await t.resolves(confirm('Go on?', undefined, terminal))
    t.equal(terminal.shown.split('[y/N]').length, 2)
  })
}

for (const answer of ['', 'n', 'no', 'yep', 'sure']) {
  t.test(`"${answer}" is no yes`, async (t) => {
    const terminal = fakeTerminal([['Go on? [y/N] ', `${answer}\n`]])
    await t.rejects(confirm('Go on?', false, terminal), { message: 'Nothing was changed.', exitCode: 1 })
  })
}

t.test('nobody is asked who said yes, or who is not there', async (t) => {
  const terminal = fakeTerminal([])
  await t.resolves(confirm('Go on?', true, terminal))
  t.equal(terminal.shown, '')
  const nobody = { stdin: new PassThrough(), stderr: new PassThrough() }
  const refusal = { message: 'Go on? Not a terminal. Pass --yes.', exitCode: 2 }
  await t.rejects(confirm('Go on?', undefined, nobody), refusal)
})

for (const [keys, typed] of [
  ['Ctrl+C', '\u0003'],
  ['Ctrl+D', '\u0004'],
] as const) {
  t.test(`${keys} at a question changes nothing`, async (t) => {
    for (const silent of [false, true]) {
      const terminal = fakeTerminal([['Go on? ', typed]])
      const refusal = { message: 'Nothing was changed.', exitCode: 1 }
      await t.rejects(ask({ prompt: 'Go on? ', silent }, terminal), refusal)
    }
  })
}

t.test('what is typed at a silent question is not shown, and the line is ended', async (t) => {
  const terminal = fakeTerminal([['Password: ', 'secret\n']])
  t.equal(await ask({ prompt: 'Password: ', silent: true }, terminal), 'secret')
  t.notMatch(terminal.shown, 'secret')
  t.match(terminal.shown, /Password: [^]*\n$/)
})

t.test('the progress is shown on a terminal, not too often, and always at its end', async (t) => {
  const terminal = fakeTerminal([])
  let time = 1000
  t.intercept(performance, 'now', { value: () => (time += 30) })
  const show = progressBar('user', terminal)
  for (let done = 1; done <= 10; done++) show(done, 10)
  const shown = terminal.shown.split('\r').slice(1)
  t.equal(shown[0], `[###${'.'.repeat(27)}] 1 of 10 users`)
  t.equal(shown.at(-1), `[${'#'.repeat(30)}] 10 of 10 users\n`)
  t.equal(shown.length, 4)
})

t.test('elsewhere there is no progress', async (t) => {
  const stderr = new PassThrough()
  progressBar('user', { stderr })(1, 1)
  t.equal(stderr.read(), null)
  progressBar('user')(1, 1)
})
