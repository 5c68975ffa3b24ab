import { mkdtemp, rm, readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { unpackTar } from 'modern-tar'
import t, { type Test } from 'tap'
import { pino } from 'pino'
import { bundle } from '../../build/bundle.js'
import { Activity } from '../../src/activity/activity.ts'
import { createOperatorTasks } from '../../src/commands/operator-tasks.ts'
import { readBridge } from '../../src/commands/bridge.ts'
import { loadConfig } from '../../src/config.ts'
import { openEngine } from '../../src/control/open-store.ts'
import { withState } from '../../src/control/state.ts'
import { freePort } from '../free-port.ts'
import { parseMetrics, valueOf } from '../metrics/parser.ts'
import { noRedis, startRedis, type Redis } from '../redis.ts'
import { until } from '../until.ts'
import { kss, serve } from './kss.ts'
import { run, runJson } from './run.ts'
import { dune, folder, headersOf, stateFolder } from './state-fixture.ts'

const headers = { 'x-auth-user': 'ann', 'x-auth-key': 'secret-key' }
const position = { document: 'abc', percentage: 0.5, progress: '56', device: 'kpw' }
// A kill takes nothing that was written, and no test waits for the disk.
const durable = ['--appendonly', 'yes', '--appendfsync', 'no']

const register = (url: string, username = 'ann'): Promise<Response> =>
  fetch(`${url}/users/create`, { method: 'POST', body: JSON.stringify({ username, password: 'secret-key' }) })
const update = (url: string, progress = '56'): Promise<Response> =>
  fetch(`${url}/syncs/progress`, { method: 'PUT', headers, body: JSON.stringify({ ...position, progress }) })
const get = (url: string): Promise<Response> => fetch(`${url}/syncs/progress/abc`, { headers })
const isReady = async (url: string): Promise<boolean> => (await fetch(`${url}/readiness`)).status === 200

/** An env file for commands that run in this process. */
async function envFile(t: Test, redis: Pick<Redis, 'url'>): Promise<string> {
  const path = join(await folder(t), 'kss.env')
  await writeFile(path, `KSS_STORE=${redis.url}\n`)
  return path
}

t.test('with files nothing of the engine is loaded', async (t) => {
  const into = await mkdtemp(join(tmpdir(), 'kss-test-'))
  t.teardown(() => rm(into, { recursive: true, force: true }))
  const entryPoints = { bin: join(import.meta.dirname, '..', '..', 'src', 'commands', 'serve.ts') }
  const { metafile } = await bundle({ entryPoints, folder: into, packages: 'external' })
  const { outputs } = metafile
  const loaded = new Set([Object.keys(outputs).find((path) => path.endsWith('/bin.js'))!])
  for (const path of loaded) {
    for (const { kind, path: next } of outputs[path]?.imports ?? []) {
      if (kind === 'import-statement' && next in outputs) loaded.add(next)
    }
  }
  const modulesOf = (paths: Iterable<string>): string[] =>
    [...paths].flatMap((path) => Object.keys(outputs[path]?.inputs ?? {}))
  const ofEngine = /\/redis-store\/|\/redis-backend\.ts$|@redis\//
  t.same(
    modulesOf(loaded).filter((path) => ofEngine.test(path)),
    [],
  )
  t.ok(modulesOf(Object.keys(outputs)).some((path) => ofEngine.test(path)))
})

t.test('an engine that is not there is one line of a command', async (t) => {
  const url = `redis://:secret@127.0.0.1:${await freePort()}/1`
  const { code, stderr } = await run('/none', 'user', 'list', '--env-file', await envFile(t, { url }))
  t.equal(code, 1)
  t.match(stderr, /^It failed: Redis at 127\.0\.0\.1:\d+, database 1, cannot be reached\n$/)
})

t.test('the settings are shown without the password', async (t) => {
  const file = await envFile(t, { url: 'redis://:secret@localhost/1' })
  const { stdout } = await run('/none', 'config', '--env-file', file)
  t.match(stdout, /^KSS_STORE +redis:\/\/\*\*\*@localhost\/1 +env file/m)
  t.notMatch(stdout, 'secret')
})

t.test('the Audiobookshelf bridge takes its settings from the environment alone', async (t) => {
  const dir = t.testdir({ '.audiobookshelf': { 'settings.json': '{"AUDIOBOOKSHELF_HTTP_TIMEOUT":"4321"}' } })
  const read = (env: Record<string, string>) => readBridge(loadConfig({}, undefined, { KSS_DIR: dir, ...env }).config)
  const KSS_STORE = 'redis://localhost'
  t.same(await read({ KSS_STORE }), { settings: undefined, warnings: [], given: [] })
  t.match(await read({ KSS_STORE, AUDIOBOOKSHELF_BASE_URL: 'http://localhost' }), {
    settings: { baseUrl: 'http://localhost', timeoutMs: 5000 },
    warnings: [],
  })
})

t.test('on a Redis', { skip: noRedis }, async (t) => {
  t.test('two servers serve the same accounts, and keep nothing in a folder', async (t) => {
    const { url: store } = await startRedis(t, ...durable)
    const dir = join(await folder(t), 'none')
    const port = await freePort()
    const env = { KSS_STORE: store }
    const servers = [await serve(t, dir, [], env), await serve(t, dir, [], { ...env, KSS_METRICS_PORT: `${port}` })]
    const [one, other] = servers.map(({ url }) => url) as [string, string]
    t.equal((await register(one)).status, 201)
    t.equal((await update(other)).status, 200)
    t.match(await (await get(one)).json(), position)
    t.match(await (await update(one, '57')).json(), { document: 'abc' })
    t.match(await (await get(other)).json(), { progress: '57' })
    const scrape = await fetch(`http://127.0.0.1:${port}/metrics`)
    t.equal(valueOf(parseMetrics(await scrape.text()), 'kss_users'), 1)
    for (const { log, stop } of servers) {
      t.match(
        log.find(({ msg }) => msg === 'listening'),
        { store: /^Redis at 127\.0\.0\.1:\d+, database 1$/, registration: 'open' },
      )
      t.equal(await stop(), 0)
    }
    await t.rejects(readdir(dir), { code: 'ENOENT' })
  })

  t.test('two servers count registrations together', async (t) => {
    const { url: KSS_STORE } = await startRedis(t, ...durable)
    const env = { KSS_STORE, KSS_REGISTRATIONS_PER_HOUR: '1' }
    const [one, other] = [await serve(t, '/none', [], env), await serve(t, '/none', [], env)]
    t.equal((await register(one.url)).status, 201)
    t.equal((await register(other.url, 'bob')).status, 429)
  })

  t.test('while the engine is away there is 503, and service when it is back', async (t) => {
    const redis = await startRedis(t, ...durable)
    const { url, log, stop } = await serve(t, await folder(t), [], { KSS_STORE: redis.url })
    await register(url)
    t.equal((await update(url)).status, 200)
    t.ok(await isReady(url))
    await redis.stop()
    for (const ask of [() => get(url), () => update(url, 'lost'), () => register(url)]) {
      const answer = await ask()
      t.equal(answer.status, 503)
      t.match(answer.headers.get('retry-after'), /^[1-5]$/)
      t.match(await answer.json(), { code: 503 })
    }
    t.notOk(await isReady(url))
    t.equal((await fetch(`${url}/healthcheck`)).status, 200)
    await redis.start()
    await until(() => isReady(url))
    t.match(await (await get(url)).json(), position)
    t.equal((await update(url, '57')).status, 200)
    t.ok(log.some(({ msg }) => String(msg).endsWith('cannot be reached: what needs it gets 503 until it is back')))
    t.equal(await stop(), 0)
  })

  t.test('without the replicas that must have a push it is 503, and what is stored is served', async (t) => {
    const redis = await startRedis(t)
    await redis.command(1, 'SET', 'kss:format', '1')
    const before = await serve(t, await folder(t), [], { KSS_STORE: redis.url })
    await register(before.url)
    await update(before.url)
    await before.stop()
    const { url, stop } = await serve(t, await folder(t), [], { KSS_STORE: redis.url, KSS_REDIS_REPLICAS: '1' })
    t.match(await (await get(url)).json(), position)
    const refused = await update(url, '57')
    t.equal(refused.status, 503)
    t.match(refused.headers.get('retry-after'), /^[1-5]$/)
    t.ok(await isReady(url))
    t.equal(await stop(), 0)
  })

  t.test('a server starts without the engine', async (t) => {
    const redis = await startRedis(t)
    await redis.command(1, 'SET', 'user:bob:key', 'K')
    await redis.command(1, 'SAVE')
    await redis.stop()
    const env = { KSS_STORE: redis.url, KSS_TLS: 'self-signed', KSS_TLS_PORT: `${await freePort()}` }
    const dir = join(await folder(t), 'certificate')
    const server = await serve(t, dir, [], { ...env, KSS_PORT: `${await freePort()}` })
    const url = String((server.log.find(({ msg }) => msg === 'listening')!['addresses'] as string[]).at(-1))
    t.equal((await register(url)).status, 503)
    t.notOk(await isReady(url))
    await redis.start()
    await until(() => isReady(url))
    await until(() => server.log.some(({ msg }) => String(msg).startsWith('The database is one of another server')))
    t.ok(server.log.some(({ msg }) => String(msg).startsWith('A power cut costs')))
    t.equal((await register(url)).status, 201)
    t.equal(await redis.command(1, 'GET', 'user:ann:key'), 'secret-key', 'the other server can read it')
    t.equal(await server.stop(), 0)
  })

  t.test('a server on a database of a newer kss says so', async (t) => {
    const { url: store, command } = await startRedis(t, ...durable)
    await command(1, 'SET', 'kss:format', '2')
    const { url, log, stop } = await serve(t, await folder(t), [], { KSS_STORE: store })
    await until(() => log.some(({ msg }) => String(msg).startsWith('The database has format 2')))
    t.equal((await fetch(`${url}/readiness`)).status, 503)
    t.equal((await fetch(`${url}/users/auth`, { headers: headersOf('ann', 'pw') })).status, 503)
    await command(1, 'SET', 'kss:format', '1')
    await until(async () => (await fetch(`${url}/readiness`)).status === 200)
    t.equal(await stop(), 0)
    t.equal(log.filter(({ msg }) => String(msg).startsWith('The database has format 2')).length, 1)
  })

  t.test('a server on a database whose mark cannot be read says so, and serves it', async (t) => {
    const { url: store, command } = await startRedis(t, ...durable)
    await command(1, 'LPUSH', 'kss:format', '1')
    const { url, log, stop } = await serve(t, await folder(t), [], { KSS_STORE: store })
    await until(() => log.some(({ msg }) => String(msg).endsWith('does not answer as it should (WRONGTYPE)')))
    t.equal((await fetch(`${url}/readiness`)).status, 200)
    t.equal(await stop(), 0)
  })

  t.test('commands work on it, beside a server, with the same words', async (t) => {
    const redis = await startRedis(t, ...durable)
    const file = await envFile(t, redis)
    const json = (...args: string[]) => runJson('/none', ...args, '--env-file', file)
    const print = async (...args: string[]): Promise<string> => (await run('/none', ...args, '--env-file', file)).stdout
    const added = await run('/none', 'user', 'add', 'ann', '--random', '--env-file', file)
    t.match(added, { code: 0, stdout: /^Data store: Redis at 127\.0\.0\.1:\d+, database 1\n/ })
    t.match(await redis.command(1, 'GET', 'user:ann:key'), /^\$scrypt\$/)
    await print('user', 'add', 'bob', '--random')
    t.match(await json('user', 'list'), [{ username: 'ann' }, { username: 'bob' }])
    await print('user', 'rename', 'bob', 'rob')
    await print('registration', 'close')
    t.match(await json('registration', 'status'), { open: false })
    await print('invite', 'eve')
    t.same(await redis.command(1, 'LRANGE', 'kss:invited', '0', '-1'), ['eve'])
    await print('user', 'quota', 'ann', '--documents', '5')
    t.match(await print('doctor'), /^What a server on this Redis heard only that server knows: only the records were/m)
    await print('user', 'rm', 'rob', '--yes')
    t.match(await json('user', 'list'), [{ username: 'ann' }])
  })

  t.test('a folder moves to it, with its histories', async (t) => {
    const redis = await startRedis(t, ...durable)
    const file = await envFile(t, redis)
    const folderOfAlice = await stateFolder(t)
    const imported = await run('/none', 'import', 'kss-python', folderOfAlice, '--env-file', file)
    t.match(imported, { code: 0 })
    t.match(await runJson('/none', 'doc', 'list', 'alice', '--env-file', file), [{ document: dune, title: 'Dune' }])
    t.equal(await redis.command(1, 'LLEN', `kss:{alice}:history:${dune}`), 4)
  })

  t.test('what works on files only says so', async (t) => {
    const file = await envFile(t, await startRedis(t))
    t.match(await run('/none', 'backup', 'list', '--env-file', file), {
      code: 2,
      stderr: 'This works on files, and KSS_STORE is set. See docs/redis.md.\n',
    })
    await withState({ envFile: file }, async (state) => {
      t.throws(() => state.dir, { exitCode: 2, message: /^This works on files/ }, 'no command takes it for one')
    })
  })

  t.test('a check tells what is wrong, and a repair mends the index', async (t) => {
    const redis = await startRedis(t)
    const file = await envFile(t, redis)
    const check = (...args: string[]) => run('/none', 'check', ...args, '--env-file', file)
    const well = { code: 0, stdout: 'All is well.\n', stderr: '' }
    t.same(await check(), well)
    t.equal(await redis.command(1, 'DBSIZE'), 0, 'it marks nothing as its own')
    t.match(await run('/none', 'user', 'add', 'ann', '--random', '--env-file', file), { code: 0 })
    t.same(await check(), well)
    await redis.command(1, 'DEL', 'kss:users')
    const note = 'note: kss:users users or documents that are not in the index: 1\n'
    const found = `${note}  --repair: it adds them\n1 finding, 0 of them damage.\n`
    t.same(await check(), { ...well, stdout: found })
    const done = `${note}  done: it adds them\n1 finding, 0 of them damage.\n`
    t.same(await check('--repair'), { ...well, stdout: done })
    t.same(await check(), well)
    await redis.command(1, 'HSET', 'user:ann:document:abc', 'percentage', 'x')
    for (const args of [[], ['--repair']]) {
      const { code, stdout } = await check(...args)
      t.equal(code, 4)
      t.match(stdout, /^damaged: user:ann:document:abc has no progress\n {2}to do: remove it/)
    }
    await redis.stop()
    t.match(await check(), { code: 1, stderr: /^It failed: Redis at .* cannot be reached\n$/ })
  })

  t.test('the console does what needs no folder', async (t) => {
    const { url, command } = await startRedis(t)
    const loaded = loadConfig({ KSS_STORE: url }, undefined, {})
    const opened = await openEngine(loaded)
    t.teardown(() => opened.close())
    await opened.store.createUser({ username: 'ann', key: 'K' })
    const { account } = (await opened.store.getUser('ann'))!
    await opened.store.putProgress(account, { ...position, timestamp: 1000 })
    const logger = pino({ base: null }, { write: () => undefined })
    const tasks = createOperatorTasks({ ...loaded, ...opened, activity: new Activity(), logger })
    t.teardown(() => tasks.stop())
    tasks.backup.start()
    await until(() => tasks.backup.state().is !== 'running')
    t.match(tasks.backup.state(), { is: 'failed', reason: /^This works on files/ })
    for (const result of [{ total: 0 }, { total: 1, damaged: 1, findings: [{ path: 'user:ann:document:bad' }] }]) {
      tasks.check.start()
      await until(() => tasks.check.state().is !== 'running')
      t.match(tasks.check.state(), { is: 'done', result })
      await command(1, 'SET', 'user:ann:document:bad', 'x')
    }
    await command(1, 'DEL', 'user:ann:document:bad')
    t.same(await tasks.listBackups(), [])
    t.equal(await tasks.openBackup('x'), undefined)
    t.ok((await tasks.stats()).disk.size > 0)
    t.match(await text(await tasks.export(account, 'csv')), /abc/)
    const archive = await unpackTar(gunzipSync(await buffer(await tasks.export(account, 'kss'))))
    const names = archive.map(({ header }) => header.name)
    t.same(names, ['kss-backup.json', 'ann/auth.json', 'ann/abc.json', 'ann/history/abc.jsonl'])
    await t.rejects(tasks.export({ ...account, id: 'another' }, 'kss'), { code: 'STALE_ACCOUNT' })
  })

  t.test('a wrong password is one line', async (t) => {
    const { host } = await startRedis(t, '--requirepass', 'secret')
    const env = { KSS_STORE: `redis://:wrong@${host}/1` }
    const { code, stderr } = await kss(t, ['user', 'list'], env)
    t.match({ code, stderr }, { code: 1, stderr: /, refuses the name or the password\n$/ })
    t.notMatch(stderr, 'wrong@')
  })
})
