import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { keyOfPassword } from '../../src/credentials.ts'
import type { Progress } from '../../src/protocol.ts'
import { snapshot } from './archives.ts'
import { kss, serve, type Ended } from './kss.ts'
import {
  dotnetDocument,
  freePort,
  makeUsersJson,
  otherServers,
  password,
  place,
  startKosyncDotnet,
  typed,
  usersJsonAccount,
  type OtherServer,
} from './other-servers.ts'
import { run, runJson } from './run.ts'
import { dune, folder, headersOf, now, openStore, serveHere, stateFolder } from './state-fixture.ts'
import { byName } from '../store/by-name.ts'

interface Imported {
  users: { username: string; isNew: boolean; documents: number; latest: number; rows: number; password?: string }[]
  problems: string[]
}

/** Runs `kss import` of that server's data, as a process. */
async function importFrom(
  t: Test,
  server: OtherServer,
  source: string,
  dir: string,
  ...more: string[]
): Promise<Ended> {
  const { kind, flags = [], stdin } = server
  const args = ['import', kind, source, ...flags, '--dir', dir, ...more]
  return await kss(t, args, {}, stdin === undefined ? undefined : await typed(t, stdin))
}

/** The same in this process, where nobody types. */
async function importHere(
  t: Test,
  server: OtherServer,
  source: string,
  dir: string,
  ...more: string[]
): Promise<Ended> {
  if (server.stdin !== undefined) return await importFrom(t, server, source, dir, ...more)
  return await run(dir, 'import', server.kind, source, ...more)
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  )
}

function wentWell(t: Test, { code, stderr }: Ended): void {
  t.same({ code, stderr }, { code: 0, stderr: '' })
}

const readerHeaders = (username: string, word: string): Record<string, string> =>
  headersOf(Buffer.from(username).toString('latin1'), word)

async function logIn(url: string, username: string, word: string): Promise<number> {
  const response = await fetch(`${url}/users/auth`, { headers: readerHeaders(username, word) })
  await response.text()
  return response.status
}

async function pull(url: string, username: string, word: string, document: string): Promise<unknown> {
  const response = await fetch(`${url}/syncs/progress/${document}`, { headers: readerHeaders(username, word) })
  return await response.json()
}

/** What auth.json keeps as the key. */
async function storedKey(dir: string, username: string): Promise<string> {
  const store = await openStore(dir)
  const user = await store.getUser(username)
  await store.close()
  return user?.key ?? ''
}

/** Until auth.json has a hash of ours: a log-in does not wait for that. */
async function untilRehashed(dir: string, name: string): Promise<boolean> {
  for (let tries = 0; tries < 500; tries++) {
    if ((await readFile(join(dir, name, 'auth.json'), 'utf8')).includes('"$scrypt$')) return true
    await sleep(20)
  }
  return false
}

const foreign: Record<string, RegExp> = { koinsight: /^\$2b\$04\$/, 'crosspoint-sync': /^pbkdf2\$10000\$/ }

t.test('an account of each kind comes without a server, and twice as once', async (t) => {
  const dir = join(await folder(t), 'new')
  const other = await folder(t)
  const came = otherServers.filter(({ skip = false }) => skip === false)
  for (const server of otherServers) {
    const { kind, skip = false, hasNoKeys = false } = server
    await t.test(kind, { skip }, async (t) => {
      const username = `Zoë of ${kind}`
      const source = await server.make(t, username)
      const atFirst = server === otherServers[0]
      const untouched = atFirst ? {} : await snapshot(dir)
      const told = await importHere(t, server, source, dir, '--dry-run')
      wentWell(t, told)
      const head = `NAME${' '.repeat(username.length - 4)}  DOCUMENTS  POSITIONS\n`
      const end = '1 account with 1 document would come. Nothing was changed.\n'
      t.equal(told.stdout, `${head}${username}  1          1\n${end}`)
      if (atFirst) t.notOk(await exists(dir), 'not even the folder is made')
      else t.same(await snapshot(dir), untouched)

      const first = await importFrom(t, server, source, dir)
      wentWell(t, first)
      t.match(first.stdout, /^NAME +ACCOUNT +DOCUMENTS +NEWER THAN HERE +CHANGES ADDED +PASSWORD$/m)
      const word = hasNoKeys ? ' +[a-z2-9]{12} \\(disabled\\)' : ''
      t.match(first.stdout, new RegExp(`\n${username} +new +1 +1 +1${word}\n1 account with 1 document came\\.\n`))
      t.match(await storedKey(dir, username), foreign[kind] ?? /^\$scrypt\$/)
      const before = await snapshot(dir)

      const again = await importHere(t, server, source, dir, '--json')
      wentWell(t, again)
      const nothing = { username, isNew: false, documents: 1, latest: 0, rows: 0 }
      t.same(JSON.parse(again.stdout), { users: [nothing], problems: [] })
      t.same(await snapshot(dir), before)
      wentWell(t, await importHere(t, server, source, other))
    })
  }
  t.equal((await stat(dir)).mode & 0o777, 0o700)
  const [one, two] = [await snapshot(dir), await snapshot(other)]
  t.same(Object.keys(one), Object.keys(two))
  const withoutAuth = (files: Record<string, string>): [string, string][] =>
    Object.entries(files).filter(([path]) => !path.endsWith('/auth.json'))
  t.same(withoutAuth(one), withoutAuth(two), 'only the salts differ')
  t.equal((await run(dir, 'check')).stdout, 'All is well.\n')

  const running = await serveHere(t, dir)
  for (const { kind, hasNoKeys } of came) {
    t.equal(await logIn(running.url, `Zoë of ${kind}`, password), hasNoKeys ? 401 : 200, kind)
    if (!hasNoKeys) t.same(await pull(running.url, `Zoë of ${kind}`, password, 'dune'), place)
  }
  await running.close()
})

t.test('an account of each kind comes beside a server, which lets it in with what its readers have', async (t) => {
  const dir = await folder(t)
  const running = await serve(t, dir)
  for (const server of otherServers) {
    const { kind, skip = false, hasNoKeys = false } = server
    await t.test(kind, { skip }, async (t) => {
      const source = await server.make(t, kind)
      t.equal(await logIn(running.url, kind, password), 401)
      const { code, stdout, stderr } = await importFrom(t, server, source, dir, '--json')
      t.same({ code, stderr }, { code: 0, stderr: '' })
      const { users, problems } = JSON.parse(stdout) as Imported
      t.same(problems, [])
      t.match(users, [{ username: kind, isNew: true, documents: 1, latest: 1, rows: 1 }])
      const [{ password: madeUp } = {}] = users
      t.equal(madeUp !== undefined, hasNoKeys)
      if (madeUp !== undefined) {
        t.equal(await logIn(running.url, kind, madeUp), 401)
        wentWell(t, await run(dir, 'user', 'enable', kind))
      }
      const word = madeUp ?? password
      t.equal(await logIn(running.url, kind, 'wrong'), 401)
      t.equal(await logIn(running.url, kind, word), 200)
      t.same(await pull(running.url, kind, word, 'dune'), place)
      t.ok(await untilRehashed(dir, kind), 'no old hash is left')
      t.equal(await logIn(running.url, kind, word), 200)
      const again = await importHere(t, server, source, dir, '--json')
      const nothing = { username: kind, isNew: false, documents: 1, latest: 0, rows: 0 }
      t.same(JSON.parse(again.stdout), { users: [nothing], problems: [] })
    })
  }
  t.equal(await running.stop(), 0)
})

t.test('what cannot come is told, and all else comes', async (t) => {
  const users = {
    ann: { ...usersJsonAccount(), documents: { dune: place, 'a:b': place, emma: { progress: 5 } } },
    'bob\u001b[2J': usersJsonAccount(),
    'carl:': usersJsonAccount(),
    dora: usersJsonAccount(),
  }
  const source = await makeUsersJson(t, users)
  const dir = await folder(t)
  const problems = [
    'user "ann", document "a:b": kss takes no document "a:b"',
    'user "ann", document "emma": has no progress',
    String.raw`user "bob\u001b[2J": kss takes no such name`,
    'user "carl:": kss takes no such name',
  ]
  const lines = problems.map((problem) => `Not imported: ${problem}\n`).join('')
  const told = await run(dir, 'import', 'users-json', source, '--dry-run')
  t.same([told.code, told.stderr], [1, lines])
  const { code, stdout, stderr } = await kss(t, ['import', 'users-json', source, '--dir', dir])
  t.same({ code, stderr }, { code: 1, stderr: lines })
  t.match(stdout, /\nann +new +1 +1 +1\ndora +new +1 +1 +1\n2 accounts with 2 documents came\.\n$/)
  const store = await openStore(dir)
  t.same((await store.listUsers()).toSorted(), ['ann', 'dora'])
  for (const username of ['ann', 'dora']) t.same(await byName(store).getProgress(username, 'dune'), place)
  await store.close()
  const again = await run(dir, 'import', 'users-json', source, '--json')
  t.equal(again.code, 1)
  t.match(JSON.parse(again.stdout), { problems, users: [{ username: 'ann' }, { username: 'dora' }] })
})

t.test('one account comes alone, and one that is not there is told', async (t) => {
  const source = await makeUsersJson(t, { ann: usersJsonAccount(), bob: usersJsonAccount() })
  const dir = await folder(t)
  const { code, stdout } = await run(dir, 'import', 'users-json', source, '--user', 'bob')
  t.equal(code, 0)
  t.match(stdout, /^NAME.*\nbob +new +1 +1 +1\n1 account with 1 document came\.$/m)
  t.match(await runJson(dir, 'user', 'list'), [{ username: 'bob' }])
  t.equal((await runJson<unknown[]>(dir, 'user', 'list')).length, 1)
  const unknown = await run(dir, 'import', 'users-json', source, '--user', 'eve\u001b[2J')
  t.equal(unknown.code, 1)
  t.equal(unknown.stderr, 'Not imported: eve\\u{1b}[2J: there is no such account\n')
  t.match(unknown.stdout, /\n0 accounts with 0 documents came\.\n$/)
})

t.test('accounts of kosync-dotnet come locked, with a password that is told once', async (t) => {
  const source = await startKosyncDotnet(t, { ann: [dotnetDocument], bob: [] })
  const dir = await folder(t)
  const server: OtherServer = otherServers.find(({ kind }) => kind === 'kosync-dotnet')!
  const first = await importFrom(t, server, source, dir)
  t.equal(first.code, 0)
  const rows = first.stdout.matchAll(/^(\w+) +new .* (\S+) \(disabled\)$/gm)
  const told = new Map([...rows].map(([, username = '', word = '']) => [username, word]))
  t.same([...told.keys()], ['ann', 'bob'])
  t.not(told.get('ann'), told.get('bob'))
  t.match(
    first.stdout,
    /\n2 accounts with 1 document came\.\nTell those with a password what it is, then let them in: kss user enable NAME\.\n$/,
  )
  const again = await importFrom(t, server, source, dir)
  wentWell(t, again)
  t.match(again.stdout, /\nann +was there +1 +0 +0\nbob +was there +0 +0 +0\n2 accounts with 1 document came\.\n$/)

  const running = await serveHere(t, dir)
  t.equal(await logIn(running.url, 'bob', told.get('bob') ?? ''), 401)
  wentWell(t, await run(dir, 'user', 'enable', 'bob'))
  t.equal(await logIn(running.url, 'bob', told.get('bob') ?? ''), 200)
  t.equal(await logIn(running.url, 'ann', told.get('ann') ?? ''), 401)
  await running.close()
})

t.test('an account that was locked in another folder of kss comes locked', async (t) => {
  const old = await stateFolder(t, (store) => store.operations.setDisabled('alice', true))
  const dir = await folder(t)
  const { code, stdout, stderr } = await run(dir, 'import', 'kss-python', old)
  t.equal(code, 1)
  t.match(stderr, /^Not imported: "alice\/auth\.json": the user is locked.*\n$/)
  t.match(stdout, /\nalice +new +1 +1 +4 +\S{12} \(disabled\)\n/)
  t.match(await runJson(dir, 'user', 'list'), [{ username: 'alice', disabled: true }])
})

t.test('what lacks a part, or has a wrong one, is a matter of usage', async (t) => {
  const dir = join(await folder(t), 'new')
  const cases: [string[], RegExp][] = [
    [['kosync-dotnet', 'http://localhost'], /^Say who may read all accounts: --admin NAME\.\n$/],
    [['kosync-dotnet', 'http://localhost', '--dry-run'], /^Say who may read all accounts: --admin NAME\.\n$/],
    [['kosync-dotnet', 'http://localhost', '--admin', 'x'], /^There is nobody to ask for the password: .*\n$/],
    [['kosync', 'x'], /'kosync' is invalid for argument 'kind'\. Allowed choices are kss-python, kosync-go, /],
    [['users-json'], /missing required argument 'source'/],
    [[], /missing required argument 'kind'/],
  ]
  for (const [args, message] of cases) {
    const { code, stdout, stderr } = await run(dir, 'import', ...args)
    t.same({ code, stdout }, { code: 2, stdout: '' }, args.join(' '))
    t.match(stderr, message)
  }
  t.notOk(await exists(dir))
})

t.test('a source that is not there, or is something else, is told in a line, and nothing is made', async (t) => {
  const here = await folder(t)
  const dir = join(here, 'new')
  await mkdir(join(here, 'empty'))
  await writeFile(join(here, 'text'), 'hello')
  const admin = await typed(t, 'letmein\n')
  const port = await freePort()
  const cases: [string, string, RegExp][] = [
    ['kss-python', 'none', /none is not there\. Give the path of kss's state folder/],
    ['kss-python', 'empty', /empty has no users\. Give the path of /],
    ['kosync-go', 'none', /none is not there\. Give the path of KOsync's database\.json/],
    ['kosync-go', 'text', /text does not hold a JSON object\. Give the path of /],
    ['users-json', 'none', /none is not there\. Give the path of the users\.json/],
    ['users-json', 'empty', /empty is not a file\. Give the path of /],
    ['koinsight', 'none', /none is not there/],
    ['koinsight', 'text', /text cannot be read as SQLite: /],
    ['crosspoint-sync', 'none', /none is not there/],
    ['koreader-sync-server', `redis://127.0.0.1:${port}`, /Redis at 127\.0\.0\.1:\d+, database 1, cannot be read: /],
    ['koreader-sync-server', 'redis', /Write it as redis:\/\/localhost:6379\/1/],
    ['kosync-dotnet', `http://127.0.0.1:${port}`, /cannot be read: ECONNREFUSED/],
  ]
  for (const [kind, source, message] of cases) {
    const path = source.includes(':') || source === 'redis' ? source : join(here, source)
    const { code, stdout, stderr } =
      kind === 'kosync-dotnet'
        ? await kss(t, ['import', kind, path, '--admin', 'admin', '--password-stdin', '--dir', dir], {}, admin)
        : await run(dir, 'import', kind, path)
    t.same({ code, stdout }, { code: 1, stdout: '' }, `${kind} ${source}`)
    t.match(stderr, message)
    t.match(stderr, /^.+\n$/, 'it is one line')
  }
  t.notOk(await exists(dir))
})

const at = (percentage: number, timestamp: number, more: Partial<Progress> = {}): Progress => ({
  ...place,
  document: dune,
  percentage,
  progress: `${percentage}`,
  timestamp,
  ...more,
})

t.test('the newest time wins, and the others go into the history', async (t) => {
  for (const beside of [false, true]) {
    const dir = await stateFolder(t, async (store) => {
      await byName(store).putProgress('alice', { ...at(0.4, 5000), document: 'both' })
    })
    const before = await storedKey(dir, 'alice')
    const server = beside ? await serveHere(t, dir) : undefined
    const older = at(0.15, now - 10 * 86_400)
    const newer = at(0.6, 6000, { document: 'both' })
    const source = await makeUsersJson(t, { alice: usersJsonAccount(older, newer, at(0.7, 1, { document: 'emma' })) })
    t.same(await runJson(dir, 'import', 'users-json', source), {
      users: [{ username: 'alice', isNew: false, documents: 3, latest: 2, rows: 3 }],
      problems: [],
    })
    if (server) {
      t.match(await pull(server.url, 'alice', 'wonderland', 'both'), { percentage: 0.6, timestamp: 6000 })
      t.match(await pull(server.url, 'alice', 'wonderland', dune), { percentage: 0.03 })
      await server.close()
    }
    const store = await openStore(dir)
    t.match(await byName(store).getProgress('alice', dune), { percentage: 0.03, title: 'Dune' })
    const percentages = async (document: string): Promise<number[]> =>
      (await byName(store).listHistory('alice', document)).map(({ percentage }) => percentage)
    t.same(await percentages(dune), [0.15, 0.1, 0.2, 0.5, 0.03])
    t.same(await byName(store).getProgress('alice', 'both'), newer)
    t.same(await percentages('both'), [0.4, 0.6])
    t.match(await byName(store).getProgress('alice', 'emma'), { percentage: 0.7 })
    await store.close()
    if (!beside) t.equal(await storedKey(dir, 'alice'), before, 'an account that is there keeps its key')
  }
})

t.test('history and titles of KOsync come too', async (t) => {
  const { document: _id, ...latest } = at(0.5, 3000)
  const rows = [at(0.3, 2000), at(0.1, 1000)]
  const ann = {
    username: 'ann',
    password: keyOfPassword(password),
    documents: { [dune]: { ...latest, pretty_name: 'Dune' }, emma: { ...latest } },
    history: { [dune]: { document_history: rows } },
  }
  const file = join(await folder(t), 'database.json')
  await writeFile(file, JSON.stringify({ schema: 1, config: {}, users: { ann } }))
  const dir = await folder(t)
  t.match(await runJson(dir, 'import', 'kosync-go', file, '--dry-run'), {
    users: [{ username: 'ann', isNew: true, documents: 2, latest: 2, rows: 4 }],
  })
  t.same(await runJson(dir, 'import', 'kosync-go', file), {
    users: [{ username: 'ann', isNew: true, documents: 2, latest: 2, rows: 4 }],
    problems: [],
  })
  const store = await openStore(dir)
  t.match(await byName(store).getProgress('ann', dune), { percentage: 0.5, title: 'Dune' })
  const history = await byName(store).listHistory('ann', dune)
  t.same(
    history.map(({ percentage, timestamp }) => [percentage, timestamp]),
    [
      [0.1, 1000],
      [0.3, 2000],
      [0.5, 3000],
    ],
  )
  await store.close()
})

t.test('many documents of many users come, here and through a server', async (t) => {
  const places = Array.from({ length: 250 }, (_, number) =>
    at(number / 1000, 1000 + number, { document: `book-${number}` }),
  )
  const names = Array.from({ length: 2 }, (_, number) => `user-${number}`)
  const source = await makeUsersJson(t, Object.fromEntries(names.map((name) => [name, usersJsonAccount(...places)])))
  for (const beside of [false, true]) {
    const dir = await folder(t)
    const server = beside ? await serveHere(t, dir) : undefined
    const { users } = await runJson<Imported>(dir, 'import', 'users-json', source)
    const numbers = { isNew: true, documents: 250, latest: 250, rows: 250 }
    t.same(
      users,
      names.map((username) => ({ username, ...numbers })),
    )
    await server?.close()
    const store = await openStore(dir)
    for (const [number, name] of names.entries())
      t.same(await byName(store).getProgress(name, `book-${number}`), places[number])
    await store.close()
  }
})

t.test('keys are kept as KSS_HASH_KEYS says', async (t) => {
  const source = await makeUsersJson(t, { ann: usersJsonAccount() })
  const dir = await folder(t)
  const imported = await kss(t, ['import', 'users-json', source, '--dir', dir], { KSS_HASH_KEYS: 'false' })
  wentWell(t, imported)
  t.equal(await storedKey(dir, 'ann'), keyOfPassword(password))
})
