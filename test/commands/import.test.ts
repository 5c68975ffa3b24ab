import { mkdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { freePort } from '../free-port.ts'
import { keyOfPassword } from '../../src/kosync/credentials.ts'
import type { Progress } from '../../src/kosync/protocol.ts'
import { exists, importFrom, logIn, pull, storedKey, wentWell, type Imported } from './import-from.ts'
import { kss, type Ended } from './kss.ts'
import {
  dotnetDocument,
  makeKoreaderSyncd,
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
import { adminByName, byName, usernamesOf } from '../store/by-name.ts'
import { dune, folder, now, openStore, serveHere, stateFolder } from './state-fixture.ts'

t.test('what cannot come is told, and all else comes', async (t) => {
  const users = {
    ann: { ...usersJsonAccount(), documents: { dune: place, 'a:b': place, emma: { progress: null } } },
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
  t.same((await usernamesOf(store)).toSorted(), ['ann', 'dora'])
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

t.test('one account comes alone without the problems of others, and with its own', async (t) => {
  const documents = { dune: place, emma: { progress: null } }
  const broken = { ...usersJsonAccount(), documents }
  const source = await makeUsersJson(t, { ann: usersJsonAccount(), bob: broken, 'carl:': broken, dora: {} })
  const dir = await folder(t)
  wentWell(t, await run(dir, 'import', 'users-json', source, '--user', 'ann'))
  const stderr = 'Not imported: user "bob", document "emma": has no progress\n'
  t.match(await run(dir, 'import', 'users-json', source, '--user', 'bob'), { code: 1, stderr })
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

/** Runs an import on a terminal that calls this when the bar moves. */
async function importWithBar(dir: string, moved: () => void, ...args: string[]): Promise<Ended> {
  const { stderr } = process
  const { isTTY } = stderr
  const write = stderr.write.bind(stderr)
  Object.assign(stderr, { isTTY: true, write: moved })
  try {
    return await run(dir, 'import', ...args)
  } finally {
    Object.assign(stderr, { write, isTTY })
  }
}

for (const [what, moved, message] of [
  [
    'is interrupted',
    () => process.emit('SIGINT'),
    /^Interrupted\. \d+ accounts? came; the same command brings the rest\.\n$/,
  ],
  ['fails', () => undefined, /^user-9 was removed meanwhile\./],
] as const) {
  t.test(`the passwords of what has come are told when an import ${what}`, async (t) => {
    const names = Array.from({ length: 20 }, (_, number) => `user-${number}`)
    const dir = await folder(t)
    // No folder can be made in its place.
    if (what === 'fails') await writeFile(join(dir, 'user-9'), '')
    const source = await makeKoreaderSyncd(t, ...names)
    const { code, stdout, stderr } = await importWithBar(dir, moved, 'koreader-syncd', source)
    t.equal(code, 1)
    t.match(stderr, message)
    const told = [...stdout.matchAll(/^(\S+) +new +.* \S{12} \(disabled\)$/gm)].map(([, name]) => name)
    const came = await runJson<{ username: string }[]>(dir, 'user', 'list')
    t.ok(came.length > 0 && came.length < names.length)
    t.same(new Set(told), new Set(came.map(({ username }) => username)))
    t.match(stdout, /kss user enable NAME/)
  })
}

t.test('an account that was locked in another folder of kss comes locked', async (t) => {
  const old = await stateFolder(t, (store) => adminByName(store).setDisabled('alice', true))
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
    [['kosync-dotnet', 'http://localhost'], /^Pass the name of the administrator with --admin NAME\.\n$/],
    [['kosync-dotnet', 'http://localhost', '--dry-run'], /^Pass the name of the administrator with --admin NAME\.\n$/],
    [['kosync-dotnet', 'http://localhost', '--admin', 'x'], /^Not a terminal\. Pass .*\n$/],
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
    ['db-json', 'none', /none is not there\. Give the path of the db\.json/],
    ['koinsight', 'none', /none is not there/],
    ['kosyncsrv', 'text', /text cannot be read as SQLite: /],
    ['koreader-syncd', 'none', /none is not there/],
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

t.test('of two pushes to KOsync in one second the newer one is the position', async (t) => {
  const { document: _id, ...latest } = at(0.5, 3000)
  const ann = {
    username: 'ann',
    password: keyOfPassword(password),
    documents: { [dune]: latest },
    history: { [dune]: { document_history: [at(0.3, 3000), at(0.4, 3000)] } },
  }
  const file = join(await folder(t), 'database.json')
  await writeFile(file, JSON.stringify({ schema: 1, config: {}, users: { ann } }))
  const dir = await folder(t)
  t.equal((await run(dir, 'import', 'kosync-go', file)).code, 0)
  const store = await openStore(dir)
  t.match(await byName(store).getProgress('ann', dune), { percentage: 0.5 })
  const history = await byName(store).listHistory('ann', dune)
  t.same(
    history.map(({ percentage }) => percentage),
    [0.3, 0.4, 0.5],
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

t.test('what an import left that was killed is removed by the next one', async (t) => {
  const dir = await stateFolder(t)
  const left = [join(dir, '.tmp-aaaaaaaaaaaaaaaaaaaaaaaa'), join(dir, 'alice', '.tmp-bbbbbbbbbbbbbbbbbbbbbbbb')]
  for (const path of left) {
    await mkdir(path)
    await utimes(path, 1000, 1000)
  }
  t.equal((await run(dir, 'import', 'users-json', await makeUsersJson(t, { ann: usersJsonAccount() }))).code, 0)
  for (const path of left) t.notOk(await exists(path))
})

t.test('keys are kept as KSS_HASH_KEYS says', async (t) => {
  const source = await makeUsersJson(t, { ann: usersJsonAccount() })
  const dir = await folder(t)
  const imported = await kss(t, ['import', 'users-json', source, '--dir', dir], { KSS_HASH_KEYS: 'false' })
  wentWell(t, imported)
  t.equal(await storedKey(dir, 'ann'), keyOfPassword(password))
})
