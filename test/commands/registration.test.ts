import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { until } from '../until.ts'
import { run, runJson } from './run.ts'
import { folder, headersOf, serveHere, stateFolder, type LocalServer } from './state-fixture.ts'

async function register({ url }: LocalServer, username: string): Promise<number> {
  const password = headersOf(username, 'secret')['x-auth-key']
  const body = JSON.stringify({ username, password })
  return (await fetch(`${url}/users/create`, { method: 'POST', body })).status
}

t.test('registration is closed and opened beside a running server, and stays so', async (t) => {
  const dir = await stateFolder(t)
  const server = await serveHere(t, dir)
  t.match(await run(dir, 'registration', 'status'), { code: 0, stdout: 'Registration is open.\n' })
  t.match(await run(dir, 'registration', 'close'), { code: 0, stdout: 'Registration is closed.\n' })
  t.equal(await register(server, 'ann'), 403)
  await server.close()
  const next = await serveHere(t, dir)
  t.equal(await register(next, 'ann'), 403, 'after a restart too')
  t.match(await run(dir, 'registration', 'open'), { code: 0, stdout: 'Registration is open.\n' })
  t.equal(await register(next, 'ann'), 201)
  t.equal(await register(next, 'ann'), 402)
})

t.test('the setting of the running server counts, not that of the command', async (t) => {
  const dir = await stateFolder(t)
  const server = await serveHere(t, dir, true)
  t.same(await runJson(dir, 'registration', 'status'), { open: false, until: null, invited: [] })
  t.equal(await register(server, 'ann'), 403)
  t.same(await runJson(dir, 'registration', 'open'), { open: true, until: null, invited: [] })
  t.equal(await register(server, 'ann'), 201)
})

t.test('registration that is opened for a time ends by itself', async (t) => {
  const dir = await stateFolder(t)
  const server = await serveHere(t, dir, true)
  const { until: end } = await runJson<{ until: number }>(dir, 'registration', 'open', '--for', '3s')
  const open = await run(dir, 'registration', 'status')
  if (Date.now() < end * 1000) t.match(open.stdout, /^Registration is open until \d{4}-\d\d-\d\d \d\d:\d\d\.\n$/)
  while (Date.now() < end * 1000) await sleep(100)
  t.equal(await register(server, 'ann'), 403)
  t.same(await runJson(dir, 'registration', 'status'), { open: false, until: null, invited: [] })
})

t.test('who is invited registers once, while nobody else can', async (t) => {
  const dir = await stateFolder(t)
  t.match(await run(dir, 'registration', 'close'), { code: 0 })
  t.match(await run(dir, 'invite', 'ann'), {
    code: 0,
    stdout: 'ann can register now, once, with a password of their own choice.\n',
  })
  t.match(await run(dir, 'registration', 'status'), { stdout: 'Registration is closed.\nInvited: ann\n' })
  t.same(await runJson(dir, 'invite', 'bob'), { username: 'bob', invited: true })
  t.match(await run(dir, 'invite', '--cancel', 'bob'), { code: 0, stdout: 'bob is not invited any more.\n' })
  const server = await serveHere(t, dir)
  t.equal(await register(server, 'bob'), 403)
  t.equal(await register(server, 'ann'), 201)
  // The answer does not wait until the invitation is taken back.
  const status = (): Promise<{ invited: string[] }> => runJson(dir, 'registration', 'status')
  await until(async () => (await status()).invited.length === 0)
  t.same(await status(), { open: false, until: null, invited: [] })
  t.same(JSON.parse(await readFile(join(dir, '.registration.json'), 'utf8')), { open: false, invited: [] })
})

t.test('what cannot be is one line', async (t) => {
  const dir = await stateFolder(t)
  const noTime = (text: string): string => `"${text}" is not a duration. Pass one such as 10m, 2h or 3d.\n`
  for (const [code, stderr, ...args] of [
    [1, 'alice has an account already.\n', 'invite', 'alice'],
    [2, /^"a:b" can be no user name: /, 'invite', 'a:b'],
    ...['10', 'soon', '0m', '-1h', ''].map(
      (text) => [2, noTime(text), 'registration', 'open', `--for=${text}`] as const,
    ),
    [1, /^There is no folder .*\. Pass the state directory with --dir\.\n$/, 'registration', 'close', '--dir', '/none'],
  ] as const) {
    t.match(await run(dir, ...args), { code, stderr }, args.join(' '))
  }
  t.match(await run(dir, 'invite', '--cancel', 'alice'), { code: 0 })
})

t.test('nobody can tell who may register from a damaged file', async (t) => {
  const dir = await folder(t)
  await run(dir, 'registration', 'close')
  const { writeFile } = await import('node:fs/promises')
  await writeFile(join(dir, '.registration.json'), '{')
  t.match(await run(dir, 'registration', 'status'), {
    code: 4,
    stderr: /^It failed: .*\.registration\.json: is not JSON\. See: kss check\n$/,
  })
})
