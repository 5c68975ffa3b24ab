import stringWidth from 'string-width'
import t from 'tap'
import { table, tablePages } from '../../src/commands/table.ts'
import { byName } from '../store/by-name.ts'
import { pushed } from '../store/contract.ts'
import { run } from './run.ts'
import { dune, stateFolder } from './state-fixture.ts'

t.test('columns are as wide as what they hold, also in scripts with wide letters', async (t) => {
  t.equal(
    await table(
      ['NAME', 'N', ''],
      [
        ['李明', '10', 'x'],
        ['ann', '9', ''],
      ],
    ),
    'NAME  N\n李明  10  x\nann   9\n',
  )
  t.equal(await table(['NAME', 'N'], [['short']]), 'NAME   N\nshort\n', 'a row may be short')
  t.equal(await table(['A'], []), 'A\n')
  t.equal(await table(['A'], [['x\u001b[31m\n']]), 'A\nx\\u{1b}[31m\\u{a}\n', 'what steers a terminal is escaped')
})

t.test('a long table comes in pages, and a column grows where a later page needs it', async (t) => {
  const page = tablePages(['NAME', 'N'], {})
  t.equal(await page([['ann', '1']]), 'NAME  N\nann   1\n')
  t.equal(await page([['elizabeth', '2']]), 'elizabeth  2\n')
  t.equal(await page([['bob', '3']]), 'bob        3\n')
  const narrow = tablePages(['NAME', 'N'], { isTTY: true, columns: 40 })
  t.equal(await narrow([['x'.repeat(60), '1']]), `${'NAME'.padEnd(37)}  N\n${'x'.repeat(36)}…  1\n`)
  t.equal(await narrow([['ann', '2']]), `${'ann'.padEnd(37)}  2\n`)
})

t.test('commands fit every terminal, and shorten nothing elsewhere', async (t) => {
  const title = 'A Confederacy of Dunces, with a foreword by Walker Percy: 李明の長い題名'
  const [device, device_id] = ['KindlePaperWhite5 of the living room', 'A1B2'.repeat(8)]
  const dir = await stateFolder(t, async (store) => {
    const metadata = { title }
    await byName(store).putProgress('alice', {
      ...pushed,
      document: `${dune.slice(0, 10)}ff`,
      device,
      device_id,
      metadata,
    })
  })
  const commands = [
    ['doc', 'list', 'alice'],
    ['doc', 'show', 'alice', 'Dune'],
    ['device', 'list', 'alice'],
    ['user', 'list'],
  ]
  const piped = (await run(dir, 'doc', 'list', 'alice')).stdout
  for (const text of [title, device, dune]) t.match(piped, text, 'a pipe gets all')
  for (const [columns, expected] of [
    [1, 40],
    [40, 40],
    [60, 60],
    [0, 80],
    [80, 80],
    [120, 120],
    [200, 200],
    [500, 200],
  ] as const) {
    t.intercept(process.stdout, 'isTTY', { value: true })
    t.intercept(process.stdout, 'columns', { value: columns })
    for (const args of commands) {
      const { stdout } = await run(dir, ...args)
      const lines = stdout.split('\n').filter((line) => !line.startsWith('Dune ('))
      for (const line of lines) t.ok(stringWidth(line) <= expected, `${columns}: ${line}`)
    }
    const { stdout } = await run(dir, 'doc', 'list', 'alice')
    t.match(stdout, / 35322b7036d {2}/, 'an id is as long as it takes')
    t.notMatch(stdout, dune)
    t.match((await run(dir, 'device', 'list', 'alice')).stdout, / A1B2A1B2 {2}/)
    t.match((await run(dir, 'user', 'list')).stdout, columns > 40 ? /^alice .*\d\d:\d\d .*B$/m : /^alice /m)
  }
})

t.test('the widest text is shortened first, and what does not fit goes onto a second line', async (t) => {
  const head = ['TITLE', 'DOCUMENT', 'AT', 'DEVICE', 'LAST SYNC', '']
  const row = ['A Confederacy of Dunces', '35322b7036d0', '3.0 %', 'Kobo_nova', '2026-01-31 21:30', '']
  const screen = (columns: number): object => ({ isTTY: true, columns })
  t.equal(
    await table(head, [row], screen(64)),
    'TITLE               DOCUMENT  AT     DEVICE     LAST SYNC\nA Confederacy of…   35322b70  3.0 %  Kobo_nova  2026-01-31 21:30\n',
  )
  t.equal(
    await table(head, [row, ['Emma']], screen(40)),
    'TITLE         DOCUMENT  AT     DEVICE\n  LAST SYNC\nA Confedera…  35322b70  3.0 %  Kobo_nova\n  2026-01-31 21:30\nEmma\n',
  )
  t.equal(await table(['#', 'FILE'], [['1', 'x'.repeat(50)]], screen(40)), `#\n  FILE\n1\n  ${'x'.repeat(50)}\n`)
})
