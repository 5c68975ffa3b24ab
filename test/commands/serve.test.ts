import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, cp, mkdir, mkdtemp, readFile, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { request, type IncomingMessage } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { readLog } from '../../src/store/file-store/wal/recovery.ts'
import { journalLine } from '../store/file-store/wal/journal-lines.ts'
import { hasNoTemps } from '../has-no-temps.ts'
import { kss, serve } from './kss.ts'
import { launcher } from '../launcher.ts'

const headers = { 'x-auth-user': 'ann', 'x-auth-key': 'secret-key' }
const position = { document: 'abc', percentage: 0.5, progress: '56', device: 'kpw' }

const register = (url: string, username = 'ann'): Promise<Response> =>
  fetch(`${url}/users/create`, { method: 'POST', body: JSON.stringify({ username, password: 'secret-key' }) })
const update = (url: string): Promise<Response> =>
  fetch(`${url}/syncs/progress`, { method: 'PUT', headers, body: JSON.stringify(position) })

/** What is in all files of the folder. */
async function readAll(dir: string): Promise<object> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
  return Object.fromEntries(
    await Promise.all(paths.map(async (path) => [path.slice(dir.length), await readFile(path, 'utf8')] as const)),
  )
}

/** Whether the push is in the files, and nothing more is about to be written. */
async function isSettled(dir: string): Promise<boolean> {
  return (await readdir(join(dir, 'ann'))).includes('abc.json') && (await hasNoTemps(join(dir, '.wal')))
}

t.test('positions are there after a kill -9 and a start', async (t) => {
  const dir = t.testdir({})
  const first = await serve(t, dir)
  t.equal((await register(first.url)).status, 201)
  t.equal((await update(first.url)).status, 200)
  await first.stop('SIGKILL')
  const second = await serve(t, dir)
  const reply = await fetch(`${second.url}/syncs/progress/abc`, { headers })
  t.match(await reply.json(), position)
  t.equal(await second.stop(), 0)
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  t.test(`${signal} stops it with exit code 0, and leaves no lock`, async (t) => {
    const dir = t.testdir({})
    const server = await serve(t, dir)
    t.equal(await server.stop(signal), 0)
    t.match(server.log.at(-1), { level: 30, msg: 'stopping', signal })
    t.same(await readdir(dir, { recursive: true }), ['.format', '.wal'])
  })
}

t.test('SIGHUP does no harm', async (t) => {
  const server = await serve(t, t.testdir({}))
  server.child.kill('SIGHUP')
  await sleep(200)
  t.equal((await fetch(`${server.url}/healthcheck`)).status, 200)
})

t.test('what it says at start is one line of facts', async (t) => {
  const dir = t.testdir({})
  const env = { KSS_DISABLE_REGISTRATION: 'yes', KSS_PROT: '1' }
  const { log, url, stop } = await serve(t, dir, ['--base-path', 'kosync'], env)
  t.equal(log.length, 2)
  t.match(log[0], { level: 40, msg: 'KSS_PROT is not a setting of kss: ignored. Did you mean KSS_PORT?' })
  t.match(log[1], { msg: 'listening', addresses: [/^http:\/\/127\.0\.0\.1:\d+\/kosync$/], dir, users: 0 })
  t.match(log[1], { registration: 'closed', version: /^\d+\.\d+\.\d+/ })
  t.equal((await register(url)).status, 403)
  t.equal(await stop(), 0)
})

t.test('the log has one line a request, and never a key', async (t) => {
  const server = await serve(t, t.testdir({}), ['--trusted-proxies', '127.0.0.1'])
  await register(server.url)
  const forwarded = { ...headers, 'x-forwarded-for': '203.0.113.7', 'x-request-id': 'from-the-client' }
  await fetch(`${server.url}/users/auth?token=secret-query`, { headers: forwarded })
  const authorization = `Basic ${Buffer.from('ann:secret-word').toString('base64')}`
  await fetch(`${server.url}/users/auth`, { headers: { authorization } })
  t.equal(await server.stop(), 0)
  const requests = server.log.filter(({ method }) => method !== undefined)
  t.match(requests, [
    { method: 'POST', path: '/users/create', status: 201, ip: '127.0.0.1' },
    { method: 'GET', path: '/users/auth', status: 200, ms: Number, user: 'ann', ip: '203.0.113.7' },
    { method: 'GET', path: '/users/auth', status: 401, user: 'ann', reason: 'wrong password' },
  ])
  t.notMatch(JSON.stringify(server.log), /secret|from-the-client|YW5u/)
})

t.test('a request that takes more than a second is a warning', async (t) => {
  const server = await serve(t, t.testdir({}))
  const body = '{"username":"ann","password":"secret-key"}'
  const expect = { expect: '100-continue', 'content-length': body.length }
  const slow = request(`${server.url}/users/create`, { method: 'POST', headers: expect })
  slow.flushHeaders()
  // The server has the headers, and measures from there.
  await once(slow, 'continue')
  const start = performance.now()
  while (performance.now() - start < 1100) await sleep(50)
  slow.end(body)
  const [reply] = (await once(slow, 'response')) as [IncomingMessage]
  t.equal(reply.statusCode, 201)
  reply.resume()
  await server.stop()
  t.match(
    server.log.filter(({ level }) => level === 40),
    [{ msg: 'slow request', method: 'POST', path: '/users/create', status: 201, ms: Number, ip: '127.0.0.1' }],
  )
})

t.test('a proxy that is not trusted can not say who asks', async (t) => {
  const server = await serve(t, t.testdir({}))
  await fetch(`${server.url}/nope`, { headers: { 'x-forwarded-for': '203.0.113.7' } })
  await server.stop()
  t.match(
    server.log.filter(({ msg }) => msg === 'refused'),
    [{ path: '/nope', ip: '127.0.0.1' }],
  )
})

t.test('only pages of the origins that are set may read the answers', async (t) => {
  const origin = 'https://web.readest.com'
  const { url } = await serve(t, t.testdir({}), [], { KSS_CORS_ORIGINS: origin })
  const allowed = async (from: string): Promise<string | null> =>
    (await fetch(`${url}/healthcheck`, { headers: { origin: from } })).headers.get('access-control-allow-origin')
  t.equal(await allowed(origin), origin)
  t.equal(await allowed('https://evil.example'), null)
})

t.test('a port that is taken is one line that names another, and the folder is free again', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as AddressInfo
  const dir = t.testdir({})
  const ended = await kss(t, ['serve', '--host', '127.0.0.1', '--port', `${port}`, '--dir', dir])
  const other = Math.min(port + 1, 65_534)
  const advice = `node ${launcher} serve --port ${other} --dir ${dir}`
  t.match(ended, { code: 1, stderr: `Port ${port} is in use. Try: ${advice}\n` })
  t.same(await readdir(dir, { recursive: true }), ['.format', '.wal'])
})

t.test('an address that this machine does not have is one line', async (t) => {
  const dir = t.testdir({})
  const ended = await kss(t, ['serve', '--host', '192.0.2.77', '--dir', dir])
  const advice = `node ${launcher} serve --host 0.0.0.0 --dir ${dir}`
  t.match(ended, { code: 1, stderr: `This machine has no address 192.0.2.77. Try: ${advice}\n` })
})

t.test('any other address that can not be is one line too', async (t) => {
  // A link-local address without its interface.
  const ended = await kss(t, ['serve', '--host', 'fe80::1', '--port', '8080', '--dir', t.testdir({})])
  t.match(ended, { code: 1, stderr: /^Cannot listen on fe80::1, port 8080: .+\.\n$/ })
})

t.test('a pretty log is for people', async (t) => {
  const args = ['serve', '--log-format', 'pretty', '--host', '192.0.2.77', '--dir', t.testdir({})]
  const { stdout } = await kss(t, args, { KSS_PROT: '1' })
  t.match(stdout, /^\[.+\] WARN: KSS_PROT is not a setting of kss: ignored\. Did you mean KSS_PORT\?\n/)
})

t.test('a second server on the folder ends with code 3, and says who holds it', async (t) => {
  const dir = t.testdir({})
  const server = await serve(t, dir)
  const ended = await kss(t, ['serve', '--port', '0', '--dir', dir])
  t.equal(ended.code, 3)
  t.match(
    ended.stderr,
    new RegExp(`^The folder ${dir} is in use by another kss \\(process ${server.child.pid}, .*\\n$`),
  )
})

t.test('a server that is stopped holds its folder all the same', async (t) => {
  const dir = t.testdir({})
  const server = await serve(t, dir)
  server.child.kill('SIGSTOP')
  const ended = await kss(t, ['serve', '--port', '0', '--dir', dir])
  t.equal(ended.code, 3)
  t.match(ended.stderr, /\(process unknown, version unknown, since unknown\)/)
})

t.test('a burst of long log lines is written, every one', async (t) => {
  const server = await serve(t, t.testdir({}))
  const path = `/${'a'.repeat(14_000)}`
  await Promise.all(Array.from({ length: 10 }, () => fetch(server.url + path)))
  t.equal(await server.stop(), 0)
  t.equal(server.log.filter((line) => line['path'] === path).length, 10)
})

t.test('a folder that is a file is one line', async (t) => {
  const dir = t.testdir({ file: '' })
  const file = join(dir, 'file')
  const message = (path: string, why: string): string =>
    `Cannot write to the folder ${path}: ${why}. Choose another one with --dir.\n`
  t.match(await kss(t, ['serve', '--dir', file]), { code: 1, stderr: message(file, 'it is a file') })
  const below = join(file, 'below')
  t.match(await kss(t, ['serve', '--dir', below]), { code: 1, stderr: message(below, 'a part of its path is a file') })
})

t.test('folders above it are made too, and one where none can be is one line', async (t) => {
  const dir = join(t.testdir({}), 'a', 'b')
  const server = await serve(t, dir)
  t.equal(await server.stop(), 0)
  if (process.platform === 'linux') {
    const ended = await kss(t, ['serve', '--dir', '/proc/a/b'])
    t.match(ended, { code: 1, stderr: /^Cannot write to the folder \/proc\/a\/b: there can be no folder\./ })
  }
})

const isRoot = process.getuid?.() === 0
const nobody = { uid: 65_534, gid: 65_534, encoding: 'utf8' } as const
const nobodyHasNode = isRoot && spawnSync(process.execPath, ['--version'], nobody).status === 0
const needsNobody = !nobodyHasNode && 'only root can become the user nobody, who must reach this Node'
const needsRoot = !isRoot && 'only root can give a folder to another user'

t.test('a folder of another user is one line', { skip: needsRoot }, async (t) => {
  const dir = t.testdir({})
  await chown(dir, 12_345, 12_345)
  t.match(await kss(t, ['serve', '--dir', dir]), {
    code: 1,
    stderr: `The folder ${dir} belongs to user 12345. Run kss as that user, not as root.\n`,
  })
})

t.test('a folder that may not be written is one line', { skip: needsNobody }, async (t) => {
  const parent = await mkdtemp(join(tmpdir(), 'kss-'))
  t.teardown(() => rm(parent, { recursive: true }))
  await chmod(parent, 0o755)
  await mkdir(join(parent, 'mine'), { mode: 0o700 })
  for (const [name, why] of [
    ['mine', 'it belongs to user 0, and kss runs as 65534'],
    ['new', 'permission denied'],
  ] as const) {
    const dir = join(parent, name)
    const { status, stderr } = spawnSync(process.execPath, [launcher, 'serve', '--dir', dir], nobody)
    t.equal(status, 1)
    t.equal(stderr.split('\n', 1)[0], `Cannot write to the folder ${dir}: ${why}. Choose another one with --dir.`)
  }
})

t.test('damaged files do not keep it from starting, and are logged', async (t) => {
  const auth = '{"x-auth-user":"ann","x-auth-key": plainkey'
  const dir = t.testdir({ ann: { 'auth.json': auth } })
  const server = await serve(t, dir)
  t.equal((await fetch(`${server.url}/users/auth`, { headers })).status, 503)
  t.equal((await register(server.url)).status, 402)
  t.equal(await readFile(join(dir, 'ann', 'auth.json'), 'utf8'), auth)
  await server.stop()
  const damaged = server.log.filter(({ level }) => level === 50)
  t.match(damaged, [{ err: { message: /auth\.json: is not JSON/ } }])
  t.notMatch(JSON.stringify(server.log), /plainkey/)
})

t.test('a record that is damaged is logged and set aside', async (t) => {
  const dir = t.testdir({})
  const server = await serve(t, dir)
  await register(server.url)
  await writeFile(join(dir, 'ann', 'abc.json'), '{')
  // Nobody is writing it any more.
  await utimes(join(dir, 'ann', 'abc.json'), 1000, 1000)
  const reply = await fetch(`${server.url}/syncs/progress/abc`, { headers })
  t.same(await reply.json(), {})
  await server.stop()
  t.match(
    server.log.filter(({ level }) => level === 50),
    [{ msg: 'damaged file', err: { message: /abc\.json: is not JSON/ } }],
  )
})

t.test('while another folder is in the place of its own, nothing is acknowledged or changed there', async (t) => {
  const parent = t.testdir({ kss: {} })
  const [dir, copy, away] = ['kss', 'copy', 'away'].map((name) => join(parent, name)) as [string, string, string]
  const server = await serve(t, dir)
  await register(server.url)
  t.equal((await update(server.url)).status, 200)
  while (!(await isSettled(dir))) await sleep(50)
  await cp(dir, copy, { recursive: true, filter: (path) => !path.includes('.lock') })
  const before = await readAll(copy)
  await rename(dir, away)
  await rename(copy, dir)
  for (let push = 0; push < 20; push++) t.equal((await update(server.url)).status, 503)
  t.equal((await fetch(`${server.url}/users/me`, { method: 'DELETE', headers })).status, 503)
  t.equal((await register(server.url, 'bob')).status, 503)
  t.same(await readAll(dir), before)

  const password = JSON.stringify({ password: 'other-key' })
  t.equal((await fetch(`${server.url}/users/password`, { method: 'PUT', headers, body: password })).status, 503)
  await rename(dir, copy)
  t.equal((await update(server.url)).status, 503, 'nor where there is no folder')
  await rename(away, dir)
  t.equal((await update(server.url)).status, 200, 'it is back')
  await rename(dir, away)
  await rename(copy, dir)
  t.equal(await server.stop(), 0)
  t.same(await readAll(dir), before, 'nor at the stop')
  const errors = server.log.filter(
    ({ msg, ...line }) => msg !== 'refused' && JSON.stringify(line).includes('is not the one that was opened'),
  )
  t.match(errors, [
    { err: { message: `The folder ${dir} is not the one that was opened: put that one back, or restart kss` } },
  ])
  t.equal(errors.length, 1)
  const { records } = await readLog(join(away, '.wal'), (error) => t.fail(error))
  t.match(records, [{ kind: 'push', file: 'abc.json' }], 'the last push is in the log of its own folder')
})

t.test(
  'a line of the journal of an older kss that holds no push is set aside and logged, and the other pushes are there',
  async (t) => {
    const line = (push: object | null): string => journalLine(JSON.stringify({ folder: 'ann', file: 'abc.json', push }))
    const journal = line(null) + line({ ...position, timestamp: 1000 })
    const auth = JSON.stringify({ 'x-auth-user': 'ann', 'x-auth-key': 'secret-key' })
    const dir = t.testdir({ ann: { 'auth.json': auth }, '.journal': { '0000000001.log': journal } })
    const server = await serve(t, dir)
    const reply = await fetch(`${server.url}/syncs/progress/abc`, { headers })
    t.match(await reply.json(), position)
    t.equal(await server.stop(), 0)
    t.match(server.log[0], {
      level: 50,
      err: { message: /0000000001\.log: has 1 line that is no entry: the file is kept/ },
    })
    t.match(await readdir(join(dir, '.journal')), [/^0000000001\.log\.corrupt-\d+$/])
  },
)

t.test('a file in the place of a history is logged with its cure, which helps', async (t) => {
  const dir = t.testdir({})
  const server = await serve(t, dir)
  await register(server.url)
  await writeFile(join(dir, 'ann', 'history'), '')
  t.equal((await update(server.url)).status, 200)
  const isTold = ({ err }: Record<string, unknown>): boolean =>
    /^Cannot write .* To mend it: kss check --repair, or/.test((err as Error | undefined)?.message ?? '')
  while (!server.log.some(isTold)) await sleep(50)
  t.equal((await update(server.url)).status, 503)
  t.match(await kss(t, ['check', '--repair', '--dir', dir]), {
    stdout: /damaged: ann\/history is not a folder\n.*set aside/,
  })
  t.equal((await update(server.url)).status, 200)
  t.equal(await server.stop(), 0)
  t.match(JSON.parse(await readFile(join(dir, 'ann', 'history', 'abc.jsonl'), 'utf8')), position)
})

for (const log of ['.wal', '.journal']) {
  t.test(`a ${log} that can not be read is one line, and the folder is free again`, async (t) => {
    const dir = t.testdir({ [log]: { '0000000001.log': {} } })
    const ended = await kss(t, ['serve', '--host', '127.0.0.1', '--port', '0', '--dir', dir])
    t.equal(ended.code, 1)
    t.match(ended.stderr, /^Cannot read the log in .*: EISDIR.* Mend that, then start kss again\.\n$/)
    t.same((await readdir(dir)).toSorted(), ['.format', log])
  })
}

t.test(
  'what was said of registration holds for the next start, but a setting that closes it beats an open one',
  async (t) => {
    const dir = t.testdir({ '.registration.json': '{"open":true,"invited":["ann"]}' })
    const statusOf = async (env: NodeJS.ProcessEnv): Promise<unknown> => {
      const server = await serve(t, dir, [], env)
      const said = server.log.find(({ msg }) => msg === 'listening')?.['registration']
      await server.stop()
      return said
    }
    t.equal(await statusOf({}), 'open')
    t.equal(await statusOf({ KSS_DISABLE_REGISTRATION: 'true' }), 'closed')
    t.same(JSON.parse(await readFile(join(dir, '.registration.json'), 'utf8')), { invited: ['ann'] })
    await writeFile(join(dir, '.registration.json'), '{"open":false}')
    t.equal(await statusOf({}), 'closed')
    await writeFile(join(dir, '.registration.json'), '{')
    t.equal(await statusOf({}), 'closed', 'nobody knows')
  },
)
