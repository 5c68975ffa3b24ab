import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { pushed } from '../store/contract.ts'
import { serve } from './kss.ts'
import { run, runJson } from './run.ts'
import { byName } from '../store/by-name.ts'
import { folder, headersOf, serveHere, stateFolder } from './state-fixture.ts'

const authOf = async (dir: string): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(join(dir, 'alice', 'auth.json'), 'utf8')) as Record<string, unknown>

/** The flags for an env file with the lines. */
async function envFile(t: Test, ...lines: string[]): Promise<string[]> {
  const path = join(await folder(t), 'kss.env')
  await writeFile(path, `${lines.join('\n')}\n`)
  return ['--env-file', path]
}

for (const beside of [false, true]) {
  t.test(`limits are shown, set and taken back ${beside ? 'beside a server' : 'without a server'}`, async (t) => {
    const dir = await stateFolder(t)
    if (beside) await serveHere(t, dir)
    const shown = await run(dir, 'user', 'quota', 'alice')
    t.match(shown, { code: 0, stderr: '' })
    t.match(shown.stdout, /^alice uses 1 of 10,000 documents, and [\d.]+K?B of 100MB\.\n$/)
    const set = await run(dir, 'user', 'quota', 'alice', '--documents', '20000', '--bytes', '2GB')
    t.match(set.stdout, /^Data folder: .*\nalice uses 1 of 20,000 documents, and [\d.]+K?B of 2GB\.\n$/)
    t.match(await authOf(dir), { quota_documents: 20_000, quota_bytes: 2 * 2 ** 30 })
    const none = await run(dir, 'user', 'quota', 'alice', '--documents', '0', '--bytes', '0')
    t.match(none.stdout, /\nalice uses 1 document \(no limit\), and [\d.]+K?B \(no limit\)\.\n$/)
    // Each limit alone leaves the other one as it was.
    t.match(await runJson(dir, 'user', 'quota', 'alice', '--bytes', '500 mb'), {
      quota_documents: 0,
      quota_bytes: 524_288_000,
    })
    t.match(await runJson(dir, 'user', 'quota', 'alice', '--documents', '7'), {
      quota_documents: 7,
      quota_bytes: 524_288_000,
    })
    t.match(await runJson(dir, 'user', 'quota', 'alice', '--bytes', '12345'), { quota_bytes: 12_345 })
    t.match(await runJson(dir, 'user', 'quota', 'alice', '--default'), {
      username: 'alice',
      documents: 1,
      bytes: Number,
      quota_documents: 10_000,
      quota_bytes: 104_857_600,
    })
    const { quota_documents, quota_bytes } = await authOf(dir)
    t.same([quota_documents, quota_bytes], [undefined, undefined])
  })
}

t.test('a server keeps to the new limits at once, and logs the command', async (t) => {
  const dir = await stateFolder(t)
  const server = await serve(t, dir)
  const push = async (document: string): Promise<number> => {
    const body = JSON.stringify({ ...pushed, document })
    const headers = { ...headersOf('alice', 'wonderland'), 'content-type': 'application/json' }
    return (await fetch(`${server.url}/syncs/progress`, { method: 'PUT', headers, body })).status
  }
  t.equal(await push('second'), 200)
  t.match(await run(dir, 'user', 'quota', 'alice', '--documents', '2'), { code: 0 })
  t.equal(await push('third'), 507)
  t.equal(await push('second'), 200)
  t.match(await run(dir, 'user', 'quota', 'alice', '--documents', '3', '--bytes', '1GB'), { code: 0 })
  t.equal(await push('third'), 200)
  t.equal(await push('fourth'), 507)
  t.match(await run(dir, 'user', 'quota', 'alice', '--default'), { code: 0 })
  t.equal(await push('fourth'), 200)
  await server.stop()
  t.notOk(
    server.log.some(({ err }) => err !== undefined),
    'a full account is no failure of the server',
  )
  const commands = server.log.map(({ msg }) => String(msg)).filter((msg) => msg.startsWith('command: '))
  t.same(commands, [
    'command: kss user quota alice --documents 2',
    'command: kss user quota alice --documents 3 --bytes 1GB',
    'command: kss user quota alice --default',
  ])
})

t.test('limits that cannot be are one line, and change nothing', async (t) => {
  const dir = await stateFolder(t)
  const before = await authOf(dir)
  const badNumber = (text: string): string => `"${text}" is not a number. Pass a whole number, or 0 for no limit.\n`
  const badSize = (text: string): string =>
    `"${text}" is not a size. Pass one such as 500MB or 2GB, or 0 for no limit.\n`
  const both = 'Pass the limits or --default, not both.\n'
  const cases: [number, string, ...string[]][] = [
    ...['', '-1', '1.5', '1e3', '10k', '9999999999'].map((text): [number, string, ...string[]] => {
      return [2, badNumber(text), 'alice', '--documents', text]
    }),
    ...['', '-1', '1.5GB', 'GB', '5XB', '500MBit', '9999TB', '9007199254740992'].map(
      (text): [number, string, ...string[]] => [2, badSize(text), 'alice', '--bytes', text],
    ),
    [2, both, 'alice', '--default', '--documents', '5'],
    [2, both, 'alice', '--bytes', '5GB', '--default'],
    [1, 'There is no user carl. See: kss user list\n', 'carl'],
    [1, 'There is no user carl. See: kss user list\n', 'carl', '--documents', '5'],
  ]
  for (const [code, stderr, ...args] of cases) {
    t.match(await run(dir, 'user', 'quota', ...args), { code, stderr, stdout: '' }, `kss user quota ${args.join(' ')}`)
  }
  t.same(await authOf(dir), before)
})

t.test('without limits of its own, an account has those of the settings', async (t) => {
  const dir = await stateFolder(t)
  const env = await envFile(t, 'KSS_QUOTA_DOCUMENTS=5', 'KSS_QUOTA_BYTES=0')
  t.match(await runJson(dir, 'user', 'quota', 'alice', ...env), { quota_documents: 5, quota_bytes: 0 })
  await run(dir, 'user', 'quota', 'alice', '--bytes', '1MB')
  t.match(await runJson(dir, 'user', 'quota', 'alice', ...env), { quota_documents: 5, quota_bytes: 1_048_576 })
})

t.test('accounts are listed with their limits, and those that are full or nearly so are told', async (t) => {
  const names = ['bob', 'carl', 'dora', 'emma', 'finn']
  const dir = await stateFolder(t, async (store) => {
    for (const username of names) await store.createUser({ username, key: 'K' })
    for (let number = 0; number < 11; number++) {
      const document = `book ${number}`
      for (const username of names) await byName(store).putProgress(username, { ...pushed, document })
    }
  })
  for (const [name, ...limits] of [
    ['bob', '--documents', '12'],
    ['carl', '--documents', '11'],
    ['dora', '--documents', '14', '--bytes', '0'],
    ['emma', '--documents', '0', '--bytes', '100'],
    ['finn', '--documents', '0', '--bytes', '0'],
  ] as const) {
    await run(dir, 'user', 'quota', name, ...limits)
  }
  await run(dir, 'user', 'disable', 'bob')
  const env = await envFile(t, 'KSS_QUOTA_DOCUMENTS=1000', 'KSS_QUOTA_BYTES=1000000')
  t.match(await runJson(dir, 'user', 'list', ...env), [
    { username: 'alice', quota_documents: 1000, quota_bytes: 1_000_000 },
    { username: 'bob', quota_documents: 12, quota_bytes: 1_000_000 },
    { username: 'carl', quota_documents: 11, quota_bytes: 1_000_000 },
    { username: 'dora', quota_documents: 14, quota_bytes: 0 },
    { username: 'emma', quota_documents: 0, quota_bytes: 100 },
    { username: 'finn', quota_documents: 0, quota_bytes: 0 },
  ])
  const { stdout } = await run(dir, 'user', 'list', ...env)
  const remarks = stdout.split('\n').map((line) => / [\d.]+K?B *(.*)$/.exec(line)?.[1])
  t.same(remarks.slice(1, -1), ['', 'disabled, 91 % full', 'full', '', 'full', ''])
})
