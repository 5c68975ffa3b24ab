import t, { type Test } from 'tap'
import { chooseRow } from '../../src/commands/history.ts'
import type { Progress } from '../../src/kosync/protocol.ts'
import { pushed } from '../store/contract.ts'
import { run, runJson } from './run.ts'
import { copyOf, day, dune, headersOf, now, places, serveHere, stateFolder } from './state-fixture.ts'
import { adminByName, byName } from '../store/by-name.ts'

/** A local date, as a person types it. */
const dateOf = (seconds: number): string => new Date(seconds * 1000).toLocaleString('sv-SE').slice(0, 16)

t.test('an earlier position is put back, as it is meant', async (t) => {
  const full = await stateFolder(t)
  for (const [args, place] of [
    [[], 2],
    [['1'], 0],
    [['4'], 3],
    [['--before', 'Kobo'], 2],
    [['--before', 'KOBO-ID'], 2],
    [['--before', 'phone'], 1],
    [['--at', '2h'], 2],
    [['--at', '60h'], 0],
    [['--at', dateOf(now - 2 * day + 120)], 1],
  ] as const) {
    const dir = await copyOf(t, full)
    const { code, stdout } = await run(dir, 'history', 'restore', 'alice', 'Dune', ...args)
    const { percentage, device, progress } = places[place]!
    t.equal(code, 0, args.join(' '))
    const where = `${(percentage * 100).toFixed(1)} %, where ${device} left it on`
    t.match(
      stdout,
      new RegExp(
        `^Dune \\(${dune}\\) is back at ${where} \\d{4}-.*\\.\nEach reader takes it at its next sync\\.$`,
        'm',
      ),
    )
    const restored = { percentage, progress, device: 'kss', device_id: 'kss', title: 'Dune' }
    t.match(await runJson(dir, 'doc', 'show', 'alice', 'Dune'), { ...restored, history: { length: 5 } })
  }
})

/** alice's book `abc`, pushed by these readers one second after the other, each one page on. */
function pushedBy(t: Test, ...devices: [device: string, device_id?: string][]): Promise<string> {
  return stateFolder(t, async (store) => {
    for (const [at, [device, device_id]] of devices.entries()) {
      const push = { ...pushed, device, progress: `${at + 1}`, timestamp: now - 1000 + at }
      await byName(store).putProgress('alice', { ...push, ...(device_id !== undefined && { device_id }) })
    }
  })
}

t.test('a restore without more undoes all that the last reader pushed in a row, and only once', async (t) => {
  const dir = await pushedBy(t, ['Kobo_nova', 'K'], ['Kindle', 'P'], ['Kobo_nova', 'K'], ['Kobo_nova', 'K'])
  const restore = (...args: string[]): Promise<{ progress: string; timestamp: number }> =>
    runJson(dir, 'history', 'restore', 'alice', 'abc', ...args)
  const { progress, timestamp } = await restore()
  t.equal(progress, '2')
  t.match(await restore(), { progress: '2', timestamp }, 'nothing is pushed')
  t.match(await run(dir, 'history', 'restore', 'alice', 'abc'), {
    code: 0,
    stdout:
      /^Data folder: .*\nabc is back already, at 50\.0 % since \d{4}-.* Pass a number, --at or --before for another position\.\n$/,
  })
  t.match(await restore('--before', 'nova'), { progress: '2' }, 'nor does the same reader bring it back')
  t.match(await restore('--before', 'kss'), { progress: '4' }, 'an undo can be undone')
})

t.test('readers are meant by their name or id, or by a part, whatever the case', async (t) => {
  const full = await pushedBy(
    t,
    ['Kindle'],
    ['Kobo_nova', 'A1'],
    ['KindlePaperWhite5', 'B2'],
    ['Kobo_nova', 'C3'],
    ['Kobo_nova', 'A1'],
    ['tab', 'D4'],
    ['tablet', 'D4'],
    ['KindlePaperWhite5', 'B2'],
  )
  for (const [asked, progress] of [
    ['kobo', '3'],
    ['A1', '4'],
    ['c3', '3'],
    ['paperwhite', '7'],
    ['PAPER', '7'],
    ['TABLET', '5'],
    ['tab', '5'],
    ['b2', '7'],
  ] as const) {
    const dir = await copyOf(t, full)
    const args = ['history', 'restore', 'alice', 'abc', '--before', asked]
    t.match(await runJson(dir, ...args), { progress }, asked)
  }
  for (const [asked, stderr] of [
    ['Kindle', 'abc of alice has no such earlier position. kss doc show tells what it has.\n'],
    ['kind', 'kind matches 2 readers: KindlePaperWhite5 (B2), Kindle. Pass a longer part of the name.\n'],
    ['Sony', 'No reader Sony; there are KindlePaperWhite5, tablet, Kobo_nova, Kindle.\n'],
  ] as const) {
    t.match(await run(full, 'history', 'restore', 'alice', 'abc', '--before', asked), { code: 1, stderr }, asked)
  }
})

t.test('a push that the quota kept out of the history counts as the last change, and is not lost', async (t) => {
  const dir = await stateFolder(t, async (store) => {
    await adminByName(store).setQuota('alice', { bytes: 1 })
    await t.rejects(byName(store).putProgress('alice', pushed), { code: 'QUOTA_REACHED' })
    const spoilt = { ...places[3]!, device: 'Tablet', device_id: 'T', progress: 'spoilt', percentage: 0.01 }
    await byName(store).putProgress('alice', { ...spoilt, timestamp: now - 60 })
  })
  const restore = (...args: string[]): Promise<{ progress: string }> =>
    runJson(dir, 'history', 'restore', 'alice', 'Dune', ...args)
  t.match(await restore(), { progress: places[3]!.progress }, 'the Kobo was there before')
  t.match(await restore('--before', 'kss'), { progress: 'spoilt' }, 'an undo can be undone')
})

t.test('where one reader alone pushed, a restore without more undoes its last change', async (t) => {
  const dir = await pushedBy(t, ['Kobo'], ['Kobo', 'A'], ['Kobo', 'A'])
  t.match(await runJson(dir, 'history', 'restore', 'alice', 'abc'), { progress: '2' })
})

t.test('every reader takes the position: it is another’s, and newer than all', async (t) => {
  const ahead = { ...places[3]!, timestamp: now + 600 }
  const dir = await stateFolder(t, (store) => byName(store).putProgress('alice', { ...ahead, percentage: 0.04 }))
  const server = await serveHere(t, dir)
  const ask = async (): Promise<unknown> => {
    const reply = await fetch(`${server.url}/syncs/progress/${dune}`, { headers: headersOf('alice', 'wonderland') })
    return await reply.json()
  }
  t.match(await ask(), { percentage: 0.04, timestamp: now + 600 })
  await runJson(dir, 'history', 'restore', 'alice', 'Dune', '3')
  const { progress, percentage } = places[2]!
  const position = { document: dune, progress, percentage, device: 'kss', device_id: 'kss' }
  t.same(await ask(), { ...position, timestamp: now + 601 })
  await server.close()
})

t.test('a time that is days ahead counts for nothing', async (t) => {
  const wrong = { ...places[3]!, percentage: 0.04, timestamp: now + 30 * day }
  const dir = await stateFolder(t, (store) => byName(store).putProgress('alice', wrong))
  const { timestamp } = await runJson<Progress>(dir, 'history', 'restore', 'alice', 'Dune', '3')
  t.ok(timestamp >= now && timestamp < now + day)
})

t.test('what cannot be restored is one line', async (t) => {
  const dir = await stateFolder(t, (store) => byName(store).putProgress('alice', { ...pushed, document: 'once' }))
  const none = (name: string): string =>
    `${name} of alice has no such earlier position. kss doc show tells what it has.\n`
  const noTime = (text: string): string =>
    `"${text}" is not a time. Pass 2026-01-31, "2026-01-31 21:30", or 2h for two hours ago.\n`
  const oneOf = 'Pass only one of a number, --at and --before.\n'
  for (const [code, stderr, ...args] of [
    [1, none(`Dune (${dune})`), 'Dune', '5'],
    [1, none(`Dune (${dune})`), 'Dune', '--at', '100d'],
    [1, none(`Dune (${dune})`), 'Dune', '--at', '1999-12-31'],
    [1, 'No reader Kindle; there are Kobo, Phone.\n', 'Dune', '--before', 'Kindle'],
    [1, 'No reader ; there are Kobo, Phone.\n', 'Dune', '--before', ''],
    [
      1,
      'o matches 2 readers: Kobo (KOBO-ID), Phone (PHONE-ID). Pass a longer part of the name.\n',
      'Dune',
      '--before',
      'o',
    ],
    [1, none('once'), 'once'],
    [1, none('once'), 'once', '--before', 'kpw'],
    [2, '"0" is not a whole number over 0.\n', 'Dune', '0'],
    [2, '"first" is not a whole number over 0.\n', 'Dune', 'first'],
    [2, noTime('yesterday'), 'Dune', '--at', 'yesterday'],
    [2, noTime('5'), 'Dune', '--at', '5'],
    [2, oneOf, 'Dune', '1', '--at', '2h'],
    [2, oneOf, 'Dune', '--before', 'Kobo', '--at', '2h'],
    [1, /^alice has no document Solaris; there are /, 'Solaris'],
  ] as const) {
    t.match(await run(dir, 'history', 'restore', 'alice', ...args), { code, stderr, stdout: '' }, args.join(' '))
  }
})

t.test('the row before a reader is that of another one, not its own earlier one', (t) => {
  const by = (device: string, number: number): Progress => ({ ...pushed, device, progress: `${number}` })
  const rows = [by('A', 1), by('B', 2), by('A', 3), by('B', 4), by('B', 5), by('A', 6)]
  t.match(chooseRow(rows, undefined, { before: 'B' }), { progress: '3' })
  t.match(chooseRow(rows, undefined, { before: 'A' }), { progress: '5' })
  t.end()
})

/** alice with ten changes of `abc`, a day apart, and bob with five. */
function long(t: Test): Promise<string> {
  return stateFolder(t, async (store) => {
    await store.createUser({ username: 'bob', key: 'K' })
    for (const [username, changes] of [
      ['alice', 10],
      ['bob', 5],
    ] as const) {
      for (let ago = changes; ago > 0; ago--) {
        await byName(store).putProgress(username, { ...pushed, progress: `${ago}`, timestamp: now - ago * day + 60 })
      }
    }
  })
}

const rowsOf = async (dir: string, username: string): Promise<number> =>
  (await runJson<{ history: unknown[] }>(dir, 'doc', 'show', username, 'abc')).history.length

for (const beside of [false, true]) {
  t.test(`histories are shortened ${beside ? 'beside a running server' : 'without a server'}`, async (t) => {
    const dir = await long(t)
    if (beside) await serveHere(t, dir)
    const ofBob = await run(dir, 'history', 'prune', 'bob', '--keep', '3', '--yes')
    t.match(ofBob, { code: 0, stdout: '2 changes removed.\n' })
    t.same([await rowsOf(dir, 'alice'), await rowsOf(dir, 'bob')], [10, 3])
    t.same(await runJson(dir, 'history', 'prune', '--keep-days', '2', '--yes'), { removed: 8 + 1 + 2 })
    t.same([await rowsOf(dir, 'alice'), await rowsOf(dir, 'bob')], [2, 2])
    t.match(await run(dir, 'history', 'prune', '--keep', '1', '--keep-days', '2', '--yes'), {
      stdout: '3 changes removed.\n',
    })
    t.match(await run(dir, 'history', 'prune', '--keep', '1', '--yes'), { stdout: '0 changes removed.\n' })
    t.equal(await rowsOf(dir, 'bob'), 1)
  })
}

t.test('shortening asks, and says what stays must be said', async (t) => {
  const dir = await stateFolder(t)
  const nobody = 'Not a terminal. Pass --yes.\n'
  for (const [code, stderr, ...args] of [
    [2, 'Pass --keep NUMBER, --keep-days DAYS, or both.\n'],
    [2, `Remove old changes of all accounts for good? ${nobody}`, '--keep', '1'],
    [2, `Remove old changes of alice for good? ${nobody}`, 'alice', '--keep-days', '1'],
    [2, '"all" is not a whole number over 0.\n', '--keep', 'all'],
    [2, '"0" is not a whole number over 0.\n', '--keep-days', '0'],
    [1, 'There is no user carl. See: kss user list\n', 'carl', '--keep', '1', '--yes'],
    [1, 'There is no user carl. See: kss user list\n', 'carl', '--keep', '1'],
  ] as const) {
    t.match(await run(dir, 'history', 'prune', ...args), { code, stderr, stdout: '' }, args.join(' '))
  }
})
