import { readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { plain } from '../../src/plain.ts'
import { pushed } from '../store/contract.ts'
import { run, runJson } from './run.ts'
import { kss } from './kss.ts'
import {
  day,
  dune,
  folder,
  headersOf,
  now,
  openStore,
  places,
  serveHere,
  stateFolder,
  type LocalServer,
} from './state-fixture.ts'
import { flip } from '../../src/store/redis-store/move-scripts.ts'
import { noRedis, startCluster } from '../redis.ts'
import { adminByName } from '../store/by-name.ts'
import { engineFaults } from '../store/redis-store/engine-faults.ts'

const logIn = async ({ url }: LocalServer, username: string, password: string): Promise<number> =>
  (await fetch(`${url}/users/auth`, { headers: headersOf(username, password) })).status

/** Asks again until the answer is that one: a server sees a change of a file within a second. */
async function becomes(t: Test, ask: () => Promise<number>, status: number, name: string): Promise<void> {
  const deadline = Date.now() + 10_000
  let last = await ask()
  while (last !== status && Date.now() < deadline) {
    await sleep(50)
    last = await ask()
  }
  t.equal(last, status, name)
}

for (const beside of [false, true]) {
  t.test(`accounts are managed ${beside ? 'beside a running server' : 'without a server'}`, async (t) => {
    const dir = await stateFolder(t)
    const server = beside ? await serveHere(t, dir, true) : undefined
    const answers = async (username: string, password: string, status: number): Promise<void> => {
      const asked = server ?? (await serveHere(t, dir))
      await becomes(t, () => logIn(asked, username, password), status, `${username} gets ${status}`)
      if (!server) await asked.close()
    }
    const { password } = await runJson<{ password: string }>(dir, 'user', 'add', 'bob', '--random')
    t.match(password, /^[a-km-z2-9]{12}$/)
    await answers('bob', password, 200)
    t.match(await run(dir, 'user', 'disable', 'bob'), {
      code: 0,
      stdout: 'bob is disabled: readers get "Unauthorized".\n',
    })
    await answers('bob', password, 401)
    t.match((await run(dir, 'user', 'list')).stdout, /^bob +0 +0 +never +\d+B +disabled$/m)
    t.match(await run(dir, 'user', 'enable', 'bob'), { code: 0, stdout: 'bob can log in again.\n' })
    await answers('bob', password, 200)
    const { stdout } = await run(dir, 'user', 'passwd', 'bob', '--random')
    const [, other = ''] =
      /^Password: (\w{12})\nbob has another password\. Log in with it on each reader\.$/m.exec(stdout) ?? []
    await answers('bob', other, 200)
    await answers('bob', password, 401)
    t.match(await run(dir, 'user', 'rename', 'bob', 'Robert B.'), {
      code: 0,
      stdout: 'bob is Robert B. now. Log in so on each reader.\n',
    })
    await answers('Robert B.', other, 200)
    await answers('bob', other, 401)
    t.match(await run(dir, 'user', 'rm', 'Robert B.', '--yes'), {
      code: 0,
      stdout: /^Robert B\. is gone, with 0 documents and \d+B\.$/m,
    })
    await answers('Robert B.', other, 401)
    t.same(
      (await readdir(dir)).filter((name) => !name.startsWith('.')),
      ['alice'],
    )
  })
}

for (const beside of [false, true]) {
  t.test(
    `an account is made an operator’s, and a reader’s again, ${beside ? 'beside a server' : 'without one'}`,
    async (t) => {
      const dir = await stateFolder(t)
      if (beside) await serveHere(t, dir, true)
      t.match(await run(dir, 'user', 'admin', 'alice'), {
        code: 0,
        stdout: /^alice is an operator now\. Sign in to the console again\.$/m,
      })
      t.match((await run(dir, 'user', 'list')).stdout, /^alice .* operator$/m)
      t.same(await runJson(dir, 'user', 'admin', 'alice', '--off'), { username: 'alice', admin: false })
      t.match(await run(dir, 'user', 'admin', 'nobody'), { code: 1, stderr: /There is no user nobody/ })
      t.match(await run(dir, 'user', 'add', 'bob', '--random', '--admin'), { code: 0, stdout: /bob can log in now/ })
      t.match(await runJson(dir, 'user', 'list'), [
        { username: 'alice', admin: false },
        { username: 'bob', admin: true },
      ])
    },
  )
}

t.test('accounts are listed with what they have', async (t) => {
  const dir = await stateFolder(t)
  const last = places.at(-1)
  t.match(await runJson(dir, 'user', 'list'), [
    { username: 'alice', disabled: false, documents: 1, devices: 1, last_sync: last?.timestamp, bytes: Number },
  ])
  const { stdout } = await run(dir, 'user', 'list')
  t.match(stdout, /^NAME +DOCUMENTS +DEVICES +LAST SYNC +SIZE\nalice +1 +1 +\d{4}-\d\d-\d\d \d\d:\d\d +[\d.]+K?B\n$/)
  const empty = await folder(t)
  t.match(await run(empty, 'user', 'list'), { stdout: 'There is nobody yet. kss user add NAME makes an account.\n' })
})

t.test('removing asks, and says what goes', async (t) => {
  const dir = await stateFolder(t)
  const { code, stderr } = await run(dir, 'user', 'rm', 'alice')
  t.equal(code, 2)
  t.match(stderr, /^Remove alice with 1 document and [\d.]+K?B\? Not a terminal\. Pass --yes\.\n$/)
  t.same(await runJson(dir, 'user', 'rm', 'alice', '--yes').then(() => runJson(dir, 'user', 'list')), [])
})

/** Accounts of which alice has pushed an hour ago, and others long ago, or never. */
async function agedFolder(t: Test): Promise<string> {
  const dir = await stateFolder(t, async (store) => {
    for (const username of ['bob', 'carl', 'dora', 'emma']) await store.createUser({ username, key: 'K' })
    await adminByName(store).importAccount('bob', [{ rows: [{ ...pushed, timestamp: now - 400 * day }] }])
    const second = { ...pushed, document: 'second', timestamp: now - 801 * day }
    await adminByName(store).importAccount('carl', [
      { rows: [{ ...pushed, timestamp: now - 800 * day }] },
      { rows: [second] },
    ])
  })
  // Dora was made long ago, Emma just now; neither has ever pushed.
  await utimes(join(dir, 'dora', 'auth.json'), now - 900 * day, now - 900 * day)
  return dir
}

const namesOf = async (dir: string, ...args: string[]): Promise<string[]> =>
  (await runJson<{ username: string }[]>(dir, 'user', 'list', ...args)).map(({ username }) => username)

t.test('accounts are listed in any order, and those that have not pushed for long', async (t) => {
  const dir = await agedFolder(t)
  for (const [args, names] of [
    [[], ['alice', 'bob', 'carl', 'dora', 'emma']],
    [
      ['--sort', 'name'],
      ['alice', 'bob', 'carl', 'dora', 'emma'],
    ],
    [
      ['--sort', 'documents'],
      ['carl', 'alice', 'bob', 'dora', 'emma'],
    ],
    [
      ['--sort', 'last'],
      ['alice', 'bob', 'carl', 'dora', 'emma'],
    ],
    [
      ['--inactive', '1y'],
      ['bob', 'carl', 'dora'],
    ],
    [
      ['--inactive', '2y'],
      ['carl', 'dora'],
    ],
    [
      ['--inactive', '2y', '--sort', 'last'],
      ['carl', 'dora'],
    ],
    [['--inactive', '10y'], []],
  ] as const) {
    t.same(await namesOf(dir, ...args), names, args.join(' '))
  }
  const bySize = await namesOf(dir, '--sort', 'size')
  t.same(bySize.slice(0, 1), ['alice'])
  t.same(new Set(bySize.slice(-2)), new Set(['dora', 'emma']))
  t.equal((await run(dir, 'user', 'list', '--inactive', '10y')).stdout, 'Nobody has been inactive for 10y.\n')
  t.match(await runJson(dir, 'user', 'list', '--inactive', '850d'), [{ last_sync: null, last_active: now - 900 * day }])
  for (const bad of [
    ['--inactive', '365'],
    ['--sort', 'age'],
  ]) {
    t.match(await run(dir, 'user', 'list', ...bad), { code: 2, stdout: '' }, bad.join(' '))
  }
})

t.test('accounts that have not pushed for long are removed together, after a question that says whom', async (t) => {
  const dir = await agedFolder(t)
  const refused = await run(dir, 'user', 'rm', '--inactive', '2y')
  t.match(refused, { code: 2, stdout: '' })
  t.match(
    refused.stderr,
    /^NAME .*\ncarl +2 .*\ndora +0 +0 +never .*\nRemove 2 accounts with 2 documents and [\d.]+K?B\? /,
  )
  t.equal((await namesOf(dir)).length, 5)
  const { code, stdout, stderr } = await run(dir, 'user', 'rm', '--inactive', '2y', '--yes')
  t.same({ code, stderr }, { code: 0, stderr: '' })
  t.match(
    stdout,
    /^Data folder: .*\nNAME .*\ncarl +2 .*\ndora .*\n2 accounts removed, with 2 documents and [\d.]+K?B\.\n$/,
  )
  t.same(await namesOf(dir), ['alice', 'bob', 'emma'])
  t.same(await runJson(dir, 'user', 'rm', '--inactive', '2y'), [])
  const nobody = await run(dir, 'user', 'rm', '--inactive', '2y')
  t.same(nobody, { code: 0, stdout: 'Nobody has been inactive for 2y.\n', stderr: '' })
})

t.test('an account with a record that cannot be read is not removed for being inactive', async (t) => {
  const dir = await agedFolder(t)
  await writeFile(join(dir, 'carl', 'broken.json'), '{')
  const { code, stderr } = await run(dir, 'user', 'rm', '--inactive', '2y', '--yes')
  t.equal(code, 4)
  const line = `Left out: carl: ${dir}/carl/broken.json: is not JSON. kss check tells more.\n`
  t.equal(stderr, line + line)
  t.same(await namesOf(dir, '--inactive', '2y').catch(() => 'damaged'), 'damaged')
  t.match((await run(dir, 'user', 'list')).stdout, /^carl +2 /m)
  t.notMatch((await run(dir, 'user', 'list')).stdout, 'dora')
})

t.test('an account with a record that cannot be read is removed when it is named', async (t) => {
  const dir = await agedFolder(t)
  await writeFile(join(dir, 'carl', 'broken.json'), '{')
  t.match(await run(dir, 'user', 'rm', 'carl', '--yes'), { code: 0, stderr: '' })
  t.notOk((await readdir(dir)).includes('carl'))
})

t.test('what is to be removed is said once', async (t) => {
  const dir = await stateFolder(t)
  const stderr = 'Pass an account, or --inactive and a duration.\n'
  t.match(await run(dir, 'user', 'rm'), { code: 2, stderr })
  t.match(await run(dir, 'user', 'rm', 'alice', '--inactive', '1y'), { code: 2, stderr })
})

t.test('a reader that was stolen is out as soon as the password is another one', async (t) => {
  const dir = await stateFolder(t)
  const server = await serveHere(t, dir)
  t.equal(await logIn(server, 'alice', 'wonderland'), 200)
  const { password } = await runJson<{ password: string }>(dir, 'user', 'passwd', 'alice', '--random')
  t.equal(await logIn(server, 'alice', 'wonderland'), 401)
  t.equal(await logIn(server, 'alice', password), 200)
})

t.test('the folder is made for the first account', async (t) => {
  const dir = join(await folder(t), 'a', 'new')
  t.match(await run(dir, 'user', 'add', 'ann', '--random'), { code: 0, stdout: /\nann can log in now\.\n$/ })
  t.match(await runJson(dir, 'user', 'list'), [{ username: 'ann', documents: 0 }])
})

t.test('what cannot be is one line', async (t) => {
  const dir = await stateFolder(t, (store) => store.createUser({ username: 'bob', key: 'K' }))
  const noCarl = 'There is no user carl. See: kss user list\n'
  const badName = (name: string): string =>
    `"${plain(name)}" can be no user name: no colon, no control character, no blank at an end, 1 to 255 characters.\n`
  const cases: [number, string, ...string[]][] = [
    [1, 'The name bob is taken. kss user passwd gives it another password.\n', 'add', 'bob', '--random'],
    [1, 'The name bob is taken. Nothing was changed.\n', 'rename', 'alice', 'bob'],
    [1, 'The name alice is taken. Nothing was changed.\n', 'rename', 'alice', 'alice'],
    ...['', 'a:b', ' a', 'a ', 'a\nb', 'x'.repeat(256), '\ud800'].flatMap((name): [number, string, ...string[]][] => [
      [2, badName(name), 'add', name, '--random'],
      [2, badName(name), 'rename', 'alice', name],
    ]),
    [1, noCarl, 'passwd', 'carl', '--random'],
    // Nobody is asked for a password first.
    [1, noCarl, 'passwd', 'carl'],
    [1, 'The name bob is taken. kss user passwd gives it another password.\n', 'add', 'bob'],
    [1, noCarl, 'rename', 'carl', 'dora'],
    [1, noCarl, 'disable', 'carl'],
    [1, noCarl, 'enable', 'carl'],
    [1, noCarl, 'rm', 'carl', '--yes'],
    [2, 'Pass --password-stdin or --random, not both.\n', 'add', 'carl', '--random', '--password-stdin'],
    [2, 'Not a terminal. Pass --password-stdin or --random.\n', 'add', 'carl'],
  ]
  for (const [code, stderr, ...args] of cases) {
    t.match(await run(dir, 'user', ...args), { code, stderr, stdout: '' }, `kss user ${args.join(' ')}`)
  }
  const server = await serveHere(t, dir)
  for (const [code, stderr, ...args] of cases) {
    t.match(await run(dir, 'user', ...args), { code, stderr }, `kss user ${args.join(' ')} beside a server`)
  }
  await server.close()
})

t.test('a password that is changed meanwhile is changed again: the last one wins', async (t) => {
  const dir = await stateFolder(t)
  const ended = await Promise.all(
    Array.from({ length: 3 }, () => kss(t, ['user', 'passwd', 'alice', '--random', '--json', '--dir', dir])),
  )
  for (const { code } of ended) t.equal(code, 0)
  const passwords = ended.map(({ stdout }) => (JSON.parse(stdout) as { password: string }).password)
  const server = await serveHere(t, dir)
  const statuses = await Promise.all(passwords.map((password) => logIn(server, 'alice', password)))
  t.same(
    statuses.toSorted((one, other) => one - other),
    [200, 401, 401],
  )
})

t.test('a renamed account keeps its books', async (t) => {
  const dir = await stateFolder(t)
  t.same(await runJson(dir, 'user', 'rename', 'alice', 'alicia'), { username: 'alicia', before: 'alice' })
  t.match(await runJson(dir, 'doc', 'show', 'alicia', 'Dune'), { document: dune, history: places })
})

t.test('a name that another one gets while the password is typed stays the other’s', async (t) => {
  const dir = await stateFolder(t)
  async function* typed(): AsyncGenerator<string> {
    const store = await openStore(dir)
    await store.createUser({ username: 'bob', key: 'K' })
    await store.close()
    yield 'correct horse\n'
  }
  t.intercept(process, 'stdin', { value: Readable.from(typed()) })
  t.match(await run(dir, 'user', 'add', 'bob', '--password-stdin'), {
    code: 1,
    stderr: 'The name bob is taken. kss user passwd gives it another password.\n',
  })
})

t.test('with an upstream, who removes an account is told that it stays away, and how it may return', async (t) => {
  const dir = await stateFolder(t)
  const envFile = join(dir, '.env')
  await writeFile(envFile, 'KSS_UPSTREAM=http://old.example')
  const settings = ['--env-file', envFile]
  const removed = await run(dir, 'user', 'rm', 'alice', '--yes', ...settings)
  t.match(removed.stdout, 'http://old.example does not bring it back, unless you say: kss user allow-return alice\n')
  const allowed = await run(dir, 'user', 'allow-return', 'alice', ...settings)
  t.match(allowed, { code: 0, stdout: /The upstream may bring back alice at the next log-in\.\n$/ })
  const store = await openStore(dir)
  t.same(await store.getRegistration(), { invited: [] })
  await store.close()
})

t.test(
  'on a cluster, a rename that was cut off is told, and the same command finishes it',
  { skip: noRedis },
  async (t) => {
    const { hosts } = await startCluster(t)
    const file = join(await folder(t), 'kss.env')
    await writeFile(file, `KSS_STORE=redis://${hosts.join(',')}\n`)
    const kssHere = (...args: string[]) => run('/none', ...args, '--env-file', file)
    t.match(await kssHere('user', 'add', 'alice', '--random'), { code: 0 })
    const faults = engineFaults(t)
    faults.set({ left: 1, script: flip, isLast: true })
    t.match(await kssHere('user', 'rename', 'alice', 'alicia'), { code: 1, stderr: 'It failed: cut off\n' })
    faults.set(undefined)

    const finish = 'kss user rename alice alicia\n'
    const stderr = `It failed: The account alice is being renamed to alicia. If no command does that any more: ${finish}`
    t.match(await kssHere('user', 'passwd', 'alice', '--random'), { code: 1, stderr })
    const { code, stdout } = await kssHere('check')
    t.equal(code, 4)
    t.match(stdout, 'is being renamed to alicia, and until then requests get 503\n')
    t.match(stdout, `otherwise: ${finish}`)
    t.match(await kssHere('user', 'rename', 'alice', 'alicia'), { code: 0, stdout: /^alice is alicia now\. /m })
    t.match(await kssHere('user', 'rename', 'alice', 'alicia'), { code: 1, stderr: /^There is no user alice\. / })
    t.match(await kssHere('user', 'disable', 'alicia'), { code: 0 })
    t.match(await kssHere('check'), { code: 0 })
  },
)
