import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import http from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { kss, serve } from '../commands/kss.ts'
import { freePort } from '../free-port.ts'
import { parseMetrics, valueOf } from '../metrics/parser.ts'
import { noRedis, startRedis } from '../redis.ts'
import { stub as answering } from '../upstream/stub.ts'
import { until } from '../until.ts'
import { book, digest, epub } from './bridged.ts'
import { AbsStub } from './stub.ts'

const key = createHash('md5').update('secret').digest('hex')
const headers = { 'x-auth-user': 'ann', 'x-auth-key': key }
const progress = '/body/DocFragment[3]/body/h1/text().0'

interface Answer {
  status: number
  text: string
  names: string[]
  ms: number
}

/** By an own connection, so that the header lines are what the server wrote. */
async function ask(url: string, method: string, path: string, body?: object): Promise<Answer> {
  const began = performance.now()
  return await new Promise((resolve, reject) => {
    const request = http.request(`${url}${path}`, { method, headers, agent: false }, (response) => {
      const names = response.rawHeaders.filter((_each, at) => at % 2 === 0)
      const read = async (): Promise<void> => {
        const text = Buffer.concat(await response.toArray()).toString()
        resolve({ status: response.statusCode!, text, names, ms: performance.now() - began })
      }
      read().catch(reject)
    })
    request.on('error', reject).end(body && JSON.stringify(body))
  })
}

async function register(url: string): Promise<void> {
  await ask(url, 'POST', '/users/create', { username: 'ann', password: key })
}

const put = (url: string, percentage = 0.4, document = digest): Promise<Answer> =>
  ask(url, 'PUT', '/syncs/progress', { document, percentage, progress, device: 'kobo', device_id: 'k' })

const get = (url: string): Promise<Answer> => ask(url, 'GET', `/syncs/progress/${digest}`)

const envOf = (stub: AbsStub, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  AUDIOBOOKSHELF_BASE_URL: stub.url,
  AUDIOBOOKSHELF_API_KEY: 'key-ann',
  AUDIOBOOKSHELF_DOCUMENT_MAP: JSON.stringify({ [digest]: book.id }),
  ...more,
})

async function start(t: Parameters<typeof AbsStub.start>[0]): Promise<AbsStub> {
  const stub = await AbsStub.start(t)
  stub.addItem(book)
  return stub
}

t.test('the bytes on the wire are those of a kss without the bridge', async (t) => {
  const stub = await start(t)
  const answers = []
  for (const env of [{}, envOf(stub)]) {
    const { url, stop } = await serve(t, t.testdir({}), [], env)
    await register(url)
    const pushed = await put(url)
    const pulled = await get(url)
    t.same(Object.keys(JSON.parse(pushed.text) as object).toSorted(), ['document', 'timestamp'])
    answers.push(
      [pushed, pulled, await ask(url, 'GET', '/syncs/progress/none')].map(({ status, text, names }) => ({
        status,
        names,
        text: text.replace(/"timestamp":\d+/, '"timestamp":0'),
      })),
    )
    await stop()
  }
  t.same(answers[0], answers[1])
})

t.test('without settings no file of the bridge is made', async (t) => {
  const dir = t.testdir({})
  const { url, stop } = await serve(t, dir, [], { AUDIOBOOKSHELF_BASE_URL: '' })
  await register(url)
  await put(url)
  await stop()
  t.notOk((await readdir(dir)).includes('.audiobookshelf'))
})

t.test('what was pushed while Audiobookshelf was down is delivered after a kill -9', async (t) => {
  const stub = await start(t)
  await stub.down()
  const dir = t.testdir({})
  const first = await serve(t, dir, [], envOf(stub))
  await register(first.url)
  const { timestamp } = JSON.parse((await put(first.url)).text) as { timestamp: number }
  // It may have been answered and not be in the outbox yet.
  await first.stop('SIGKILL')
  await stub.up()
  const second = await serve(t, dir, [], envOf(stub))
  await until(() => stub.recordOf('ann', book.id)?.lastUpdate === timestamp * 1000)
  t.match(stub.recordOf('ann', book.id), { currentTime: 1200, ebookProgress: 0.4 })
  t.equal(stub.records.length, 1)
  t.equal(await second.stop(), 0)
})

t.test('what waits for Audiobookshelf is in the metrics', async (t) => {
  const stub = await start(t)
  await stub.down()
  const port = await freePort()
  const { url, stop } = await serve(t, t.testdir({}), [], { ...envOf(stub), KSS_METRICS_PORT: `${port}` })
  const outbox = async (): Promise<number> =>
    valueOf(parseMetrics(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()), 'kss_bridge_outbox')
  await register(url)
  t.equal(await outbox(), 0)
  await put(url)
  await until(async () => (await outbox()) === 1)
  await stub.up()
  await until(async () => (await outbox()) === 0)
  t.equal(stub.records.length, 1)
  t.equal(await stop(), 0)
})

t.test(
  'a sick Audiobookshelf costs the first pull its 700 ms, later ones nothing, and no key leaves its origin',
  async (t) => {
    const elsewhere = await answering(t, (response) => response.end('{}'))
    for (const fault of ['hang', 'drip', 'huge', 'page502', 'redirect', 'reset', 'notJson', 'tooMany'] as const) {
      const stub = await start(t)
      stub.redirectTo = `${elsewhere.origin}/`
      const { url, child, stop } = await serve(t, t.testdir({}), [], envOf(stub))
      await register(url)
      stub.fault = fault
      const answers = [await put(url), await get(url), await get(url), await get(url)]
      t.same(
        answers.map(({ status }) => status),
        [200, 200, 200, 200],
        fault,
      )
      t.match(JSON.parse(answers[1]!.text), { device: 'kobo' })
      t.comment(`${fault}: ${answers.map(({ ms }) => ms.toFixed(0)).join(', ')} ms`)
      t.equal(child.exitCode, null, 'the process lives')
      t.equal(await stop(), 0)
    }
    t.same(elsewhere.seen, [])
  },
)

t.test('a stranger does not write into the account of the default key', async (t) => {
  const stub = await start(t)
  const { url, stop } = await serve(t, t.testdir({}), [], envOf(stub))
  await register(url)
  await ask(url, 'POST', '/users/create', { username: 'eve', password: 'other' })
  await put(url)
  await ask(url, 'GET', `/syncs/progress/${digest}`)
  await stop()
  t.equal(stub.records.length, 0)
})

t.test('each bad setting ends the start with exit code 2, in one line without a secret', async (t) => {
  const dir = t.testdir({})
  const good = { AUDIOBOOKSHELF_BASE_URL: 'http://127.0.0.1:1' }
  const cases: NodeJS.ProcessEnv[] = [
    { AUDIOBOOKSHELF_BASE_URL: 'https://u:secret@abs.example' },
    { ...good, AUDIOBOOKSHELF_API_KEY: 'secret key' },
    { ...good, AUDIOBOOKSHELF_USER_MAP: '{"ann": "secret"' },
    { ...good, AUDIOBOOKSHELF_HTTP_TIMEOUT: '5' },
    { ...good, AUDIOBOOKSHELF_DOCUMENT_MAP: '[]' },
  ]
  for (const env of cases) {
    const name = Object.keys(env).at(-1)!
    for (const args of [['serve'], ['config', '--check']]) {
      const { code, stdout, stderr } = await kss(t, [...args, '--dir', dir, '--port', '0'], env)
      t.equal(code, 2, name)
      t.match(stderr.trim(), new RegExp(`^${name}: [^\\n]+$`))
      t.notMatch(stdout + stderr, 'secret')
    }
  }
  const { stderr } = await kss(t, ['config', '--check', '--dir', dir], { ...good, AUDIOBOOKSHELF_APIKEY: 'x' })
  t.match(stderr, 'AUDIOBOOKSHELF_APIKEY is not a setting of kss: ignored. Did you mean AUDIOBOOKSHELF_API_KEY?')
})

t.test('no key is in a log or a file, and the console cannot stop the start', async (t) => {
  const stub = await start(t)
  const dir = t.testdir({ '.audiobookshelf': { 'settings.json': '{"AUDIOBOOKSHELF_HTTP_TIMEOUT":"bad"}' } })
  const { url, log, stop } = await serve(t, dir, ['--log-level', 'trace'], envOf(stub))
  await register(url)
  await put(url)
  await until(() => stub.records.length > 0)
  stub.fault = 'refuse'
  await put(url, 0.5)
  await stop()
  t.ok(log.some(({ msg }) => /settings of the console are not used: AUDIOBOOKSHELF_HTTP_TIMEOUT/.test(String(msg))))
  t.notMatch(JSON.stringify(log), 'key-ann')
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  for (const entry of entries.filter((each) => each.isFile())) {
    t.notOk((await readFile(join(entry.parentPath, entry.name))).includes('key-ann'), entry.name)
  }
  t.ok(epub.length > 1000)
})

t.test('an outbox that cannot be read keeps no reader from the server', async (t) => {
  const stub = await start(t)
  const dir = t.testdir({ '.audiobookshelf': { outbox: 'a file' } })
  const { url, log, stop } = await serve(t, dir, [], envOf(stub))
  await register(url)
  await put(url)
  t.match(JSON.parse((await get(url)).text), { device: 'kobo' })
  t.ok(log.some(({ msg }) => String(msg).startsWith('the Audiobookshelf bridge is off')))
  t.equal(await stop(), 0)
  t.equal(stub.seen.length, 0)
})

t.test(
  'two servers on one Redis send what readers push, and commands say that they cannot ask',
  { skip: noRedis },
  async (t) => {
    const stub = await start(t)
    const redis = await startRedis(t)
    const env = envOf(stub, { KSS_STORE: redis.url })
    const dir = t.testdir({})
    const [one, two] = [await serve(t, dir, [], env), await serve(t, dir, [], env)]
    await register(one.url)
    t.equal((await put(one.url, 0.3)).status, 200)
    t.equal((await put(two.url, 0.4)).status, 200)
    await until(() => stub.recordOf('ann', book.id)?.ebookProgress === 0.4)
    t.equal(stub.most, 1)
    t.equal(stub.records.length, 1)
    t.same(await readdir(dir), [])
    t.match(await kss(t, ['audiobookshelf', 'status'], { KSS_STORE: redis.url }), {
      code: 1,
      stderr: /^kss audiobookshelf asks a running server, which no command reaches with KSS_STORE\./,
    })
    for (const { log, stop } of [one, two]) {
      await stop()
      t.same(
        log.filter(({ level }) => Number(level) >= 50),
        [],
      )
    }
  },
)
