import { PassThrough } from 'node:stream'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import type { AppOptions } from '../../src/app.ts'
import type { RequestLine } from '../../src/log.ts'
import { createAnswerRaw } from '../../src/kosync/errors.ts'
import { logRaw, reasonOfNotFound } from '../../src/http/request-log.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { build, position, Reader } from '../helper.ts'
import { exchange, listen } from '../raw-socket.ts'
import { adminByName } from '../store/by-name.ts'

/** A server with ann's account, and the line of the last request. */
async function open(t: Test, options: Partial<AppOptions> = {}) {
  const lines: RequestLine[] = []
  const store = new MemoryStore()
  const auth = { hashKeys: false, scryptCost: 8, loginFailuresPerMinute: 6, registrationsPerHour: 1 }
  const app = build(t, { store, auth, logRequest: (line) => lines.push(line), ...options })
  const ann = new Reader(app)
  await store.createUser({ username: 'ann', key: ann.key })
  return { app, store, ann, lines, last: () => lines.at(-1) }
}

t.test('a refused log-in names who was tried, and why', async (t) => {
  const { app, store, ann, last } = await open(t)
  await new Reader(app, 'eve').authorize()
  t.match(last(), { status: 401, user: 'eve', reason: 'no such user' })
  await new Reader(app, 'ann', 'wrong').authorize()
  t.match(last(), { status: 401, user: 'ann', reason: 'wrong password' })
  await new Reader(app, 'ann', 'wrong again').authorize()
  await new Reader(app, 'ann', 'and again').authorize()
  t.match(last(), { status: 429, user: 'ann', reason: /^Too many attempts/ })
  await adminByName(store).setDisabled('ann', true)
  await app.inject({ url: '/users/auth', headers: ann.headers, remoteAddress: '192.0.2.2' })
  t.match(last(), { status: 401, user: 'ann', reason: 'the account is disabled' })
  await app.inject({ url: '/users/auth' })
  t.match(last(), { status: 401, user: '', reason: 'there is no name and key' })
  await new Reader(app, 'x'.repeat(256)).authorize()
  t.match(last(), { status: 401, user: '', reason: 'the name or the key is too long' })
})

t.test('a request whose method no hook sees is logged too', async (t) => {
  const lines: RequestLine[] = []
  const app = await listen(t, { logRequest: (line) => lines.push(line) })
  t.match(await exchange(app, 'PLAY /x RTSP/1.0\r\nHost: kss\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 400 /)
  t.match(lines, [{ method: 'PLAY', path: '/x', status: 400, ms: 0 }])
})

for (const url of ['/%zz?secret=1', '/syncs/progress/%zz']) {
  t.test(`a request for ${url}, which cannot be decoded, is logged with the address of its client`, async (t) => {
    const { app, lines } = await open(t, { trustedProxies: ['127.0.0.1'] })
    const headers = { 'x-forwarded-for': '192.0.2.1' }
    t.equal((await app.inject({ url, headers })).statusCode, 400)
    const [path = ''] = url.split('?')
    t.match(lines, [{ id: /^req-/, method: 'GET', path, status: 400, ms: 0, ip: '192.0.2.1', user: '', reason: path }])
  })
}

for (const [what, bytes, status] of [
  ['what is not HTTP', 'nonsense\r\n\r\n', 400],
  ['too long headers', `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
  ['CONNECT', 'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n', 405],
  ['an expectation', 'GET / HTTP/1.1\r\nHost: kss\r\nExpect: nothing\r\n\r\n', 417],
] as const) {
  t.test(`${what}, which is answered without a request, is logged`, async (t) => {
    const lines: RequestLine[] = []
    const app = await listen(t, { logRequest: (line) => lines.push(line) })
    t.match(await exchange(app, bytes), `HTTP/1.1 ${status} `)
    t.match(lines, [{ method: '-', path: '-', status, ip: '127.0.0.1', user: '', reason: String }])
  })
}

t.test('a connection that is closed because it sent nothing, or that broke, leaves no line', async (t) => {
  const lines: RequestLine[] = []
  const refused: string[] = []
  const answer = createAnswerRaw(
    {},
    logRaw(
      (line) => lines.push(line),
      (address) => refused.push(address),
    ),
  )
  answer(Object.assign(new PassThrough(), { bytesRead: 0 }), 'requestTimeout')
  answer(Object.assign(new PassThrough().destroy(), { bytesRead: 9 }), 'badRequest')
  t.same(lines, [])
  answer(Object.assign(new PassThrough(), { bytesRead: 9 }), 'requestTimeout')
  answer(Object.assign(new PassThrough(), { bytesRead: 0, remoteAddress: '192.0.2.1' }), 'tooManyConnections')
  t.match(lines, [
    { status: 408, ip: '' },
    { status: 429, ip: '192.0.2.1' },
  ])
  t.same(refused, ['192.0.2.1'])
})

t.test('a refused registration names who wanted it, and why', async (t) => {
  const { app, store, last } = await open(t)
  await new Reader(app, 'ann').register()
  t.match(last(), { status: 402, user: 'ann', reason: 'Username is already registered.' })
  await new Reader(app, 'bob').register()
  await new Reader(app, 'cid').register()
  t.match(last(), { status: 402, user: 'cid', reason: 'Too many attempts. Try again in 60 minutes.' })
  await store.setRegistration({ open: false, invited: [] })
  await new Reader(app, 'cid').register()
  t.match(last(), { status: 402, reason: /^User registration is disabled/ })
})

for (const [what, body, reason] of [
  ['a field that is missing', { ...position, device: undefined }, 'device is missing'],
  ['a field of the wrong type', { ...position, progress: 56 }, 'progress is not as it should be'],
  ['no body', '', 'there is no body'],
  ['no JSON', '{', 'Could not parse JSON in body.'],
] as const) {
  t.test(`a push with ${what} says so`, async (t) => {
    const { ann, last } = await open(t)
    await ann.update(body)
    t.match(last(), { user: 'ann', reason })
  })
}

t.test('a pull of what is no document says so', async (t) => {
  const { ann, last } = await open(t)
  await ann.get('a:b')
  t.match(last(), { status: 403, reason: 'document is not as it should be' })
})

t.test('a push names the document, shortened, and the reader', async (t) => {
  const { ann, last } = await open(t)
  await ann.update({ ...position, document: '35322b7036d0c3298eedde8c30429693' })
  t.match(last(), { status: 200, user: 'ann', document: '35322b70', device: 'my kpw' })
  t.notOk(last()?.reason)
  await ann.get('abc')
  t.notOk(last()?.document)
})

t.test('a fault of the disk is named', async (t) => {
  class Full extends MemoryStore {
    override async putProgress(): Promise<never> {
      throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC', errno: -28 })
    }
  }
  const lines: RequestLine[] = []
  const logger = pino({ level: 'silent' })
  const reader = new Reader(build(t, { store: new Full(), logger, logRequest: (line) => lines.push(line) }))
  await reader.register()
  await reader.update(position)
  t.match(lines.at(-1), { status: 507, document: 'abc', reason: 'ENOSPC: no space left on device' })
})

for (const [path, basePath, reason] of [
  ['/users/auth', '/kosync', 'the base path is /kosync'],
  ['/kosync/users/auth', '', 'there is no base path, and the address has /kosync'],
  ['/kosync/kosync/syncs/progress/abc', '/kosync', 'the base path is /kosync alone'],
  ['/favicon.ico', '', 'there is no such path'],
  ['/kosync/nope', '/kosync', 'there is no such path'],
] as const) {
  t.test(`${path} with the base path "${basePath}" is not there, as ${reason}`, async (t) => {
    t.equal(reasonOfNotFound(path, basePath), reason)
    const { app, last } = await open(t, { basePath })
    await app.inject({ url: `${path}?secret=1` })
    t.match(last(), { status: 404, reason })
  })
}
