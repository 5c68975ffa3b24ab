import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { noRedis, startRedis } from '../redis.ts'
import { until } from '../until.ts'
import { snapshot } from './archives.ts'
import { exists, importFrom, importHere, logIn, pull, storedKey, wentWell, type Imported } from './import-from.ts'
import { serve, type Server } from './kss.ts'
import { otherServers, password, place } from './other-servers.ts'
import { run } from './run.ts'
import { folder, serveHere } from './state-fixture.ts'

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

/** A server, and what tells commands of its state. */
interface Beside {
  running: Server
  dir: string
  flags: string[]
  readKey: (username: string) => Promise<unknown>
}

async function serveFolder(t: Test): Promise<Beside> {
  const dir = await folder(t)
  const readKey = (username: string): Promise<string> => readFile(join(dir, username, 'auth.json'), 'utf8')
  return { running: await serve(t, dir), dir, flags: [], readKey }
}

async function serveOnRedis(t: Test): Promise<Beside> {
  const redis = await startRedis(t)
  const dir = await folder(t)
  const file = join(dir, 'kss.env')
  await writeFile(file, `KSS_STORE=${redis.url}\n`)
  const env = { KSS_STORE: redis.url, KSS_LOGIN_FAILURES_PER_MINUTE: '0' }
  const running = await serve(t, dir, [], env)
  const readKey = (username: string): Promise<unknown> => redis.command(1, 'GET', `user:${username}:key`)
  return { running, dir, flags: ['--env-file', file], readKey }
}

for (const [where, isSkipped, start] of [
  ['on files', false, serveFolder],
  ['on a Redis', noRedis, serveOnRedis],
] as const) {
  t.test(`an account of each kind comes beside a server ${where}, which lets it in`, { skip: isSkipped }, async (t) => {
    const { running, dir, flags, readKey } = await start(t)
    for (const server of otherServers) {
      const { kind, skip = false, hasNoKeys = false } = server
      await t.test(kind, { skip }, async (t) => {
        const source = await server.make(t, kind)
        t.equal(await logIn(running.url, kind, password), 401)
        const { code, stdout, stderr } = await importFrom(t, server, source, dir, '--json', ...flags)
        t.same({ code, stderr }, { code: 0, stderr: '' })
        const { users, problems } = JSON.parse(stdout) as Imported
        t.same(problems, [])
        t.match(users, [{ username: kind, isNew: true, documents: 1, latest: 1, rows: 1 }])
        const [{ password: madeUp } = {}] = users
        t.equal(madeUp !== undefined, hasNoKeys)
        if (madeUp !== undefined) {
          t.equal(await logIn(running.url, kind, madeUp), 401)
          wentWell(t, await run(dir, 'user', 'enable', kind, ...flags))
          // Another process may have the account in memory for a second.
          await until(async () => (await logIn(running.url, kind, madeUp)) === 200)
        }
        const word = madeUp ?? password
        t.equal(await logIn(running.url, kind, 'wrong'), 401)
        t.equal(await logIn(running.url, kind, word), 200)
        t.same(await pull(running.url, kind, word, 'dune'), place)
        await until(async () => String(await readKey(kind)).includes('$scrypt$'))
        t.equal(await logIn(running.url, kind, word), 200)
        const again = await importHere(t, server, source, dir, '--json', ...flags)
        const nothing = { username: kind, isNew: false, documents: 1, latest: 0, rows: 0 }
        t.same(JSON.parse(again.stdout), { users: [nothing], problems: [] })
      })
    }
    t.equal(await running.stop(), 0)
  })
}
