import { gzipSync } from 'node:zlib'
import t from 'tap'
import { consolePaths } from '../../src/console/paths.ts'
import { routes } from '../../src/console/console.ts'
import type { RequestLine } from '../../src/log.ts'
import { Events } from '../../src/doctor/events.ts'
import { Reader } from '../helper.ts'
import { exchange, request } from '../raw-socket.ts'
import { push } from './library.ts'
import { openConsole } from './visitor.ts'

const policy =
  "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

t.test('every answer has the headers that keep other pages out, and none of CORS', async (t) => {
  const { visit, reader } = openConsole(t)
  const ann = await reader()
  const asset = /href="(\/assets\/[^"]+)"/.exec(ann.page)?.[1] ?? ''
  for (const reply of [
    await ann.get('/books', { origin: 'http://evil.example' }),
    await visit().get('/'),
    await visit().get('/books'),
    await visit().get('/nope'),
    await visit({ host: 'evil.example' }).get('/'),
    await visit().post('/sign-out', {}, { origin: '' }),
    await visit().get(asset),
  ]) {
    t.match(reply.headers, {
      'content-security-policy': policy,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'same-origin',
      'access-control-allow-origin': undefined,
    })
  }
  t.equal((await ann.get('/books')).headers['cache-control'], 'no-store')
  t.equal((await ann.get(asset)).headers['cache-control'], 'public, max-age=31536000, immutable')
})

t.test(
  'the first page takes at most 20 kB with its style and script, each of them at most 8 kB and 5 kB',
  async (t) => {
    const { visit } = openConsole(t, { basePath: '/kosync' })
    const { body } = await visit().get('/')
    const [style = '', script = ''] = [...body.matchAll(/"\/kosync(\/assets\/[^"]+)"/g)].map(([, path]) => path)
    const css = await visit().get(style)
    const js = await visit().get(script)
    t.match(css.headers['content-type'], 'text/css')
    t.match(js.headers['content-type'], 'text/javascript')
    t.ok(css.body.length <= 8192, `${css.body.length} bytes of style`)
    t.ok(js.body.length <= 5120, `${js.body.length} bytes of script`)
    const sum = [body, css.body, js.body].reduce((bytes, text) => bytes + gzipSync(text).length, 0)
    t.ok(sum <= 20_480, `${sum} bytes`)
    t.match(await visit().get('/assets/style.css'), { statusCode: 404 })
  },
)

t.test('a browser gets a page for a path without one, and a link to the pages', async (t) => {
  const { visit, app } = openConsole(t, { basePath: '/kosync' })
  for (const url of ['/', '/nope', '/kosync/nope', '/kosync/users', '/kosync/devices/x']) {
    const { headers } = visit()
    const reply = await app.inject({ url, headers })
    t.match(reply, { statusCode: 404, body: /<a href="\/kosync\/">/ }, url)
    t.match((await app.inject({ url, headers, method: 'HEAD' })).body, '')
  }
  t.equal((await visit().get('')).statusCode, 200)
})

for (const [what, method, url, accept] of [
  ['KOReader at the first page', 'GET', '/kosync', 'application/vnd.koreader.v1+json'],
  ['KOReader beside the base path', 'GET', '/users/auth', 'application/vnd.koreader.v1+json'],
  ['a client that takes anything', 'GET', '/kosync', '*/*'],
  ['a client that does not say what it takes', 'GET', '/kosync/nope', undefined],
  ['a form of a browser to no page', 'POST', '/kosync/nope', 'text/html'],
  ['a method that no page has', 'PUT', '/kosync/books', 'text/html'],
] as const) {
  t.test(`${what} gets the 404 of the wire`, async (t) => {
    const { app } = openConsole(t, { basePath: '/kosync' })
    const reply = await app.inject({ method, url, headers: accept === undefined ? {} : { accept } })
    t.equal(reply.statusCode, 404)
    t.same(reply.headers['access-control-allow-origin'], '*')
    t.same(reply.json(), { code: 404, message: 'Not found.' })
  })
}

const vendor = 'application/vnd.koreader.v1+json'

for (const [method, path, headers, event] of [
  ['GET', '/books/users/auth', { accept: '*/*' }, 'otherBasePath'],
  ['GET', '/devices/syncs/progress/abc', {}, 'otherBasePath'],
  ['POST', '/account/users/create', { accept: vendor }, 'otherBasePath'],
  ['GET', '/help/healthcheck?now', {}, 'otherBasePath'],
  ['PUT', '/admin/syncs/progress', { accept: vendor }, 'otherBasePath'],
  ['GET', '/books', { accept: vendor }, 'wrongPath'],
  ['GET', '/books/x', { 'x-auth-user': 'ann', accept: 'text/html' }, 'wrongPath'],
] as const) {
  for (const basePath of ['', '/kosync']) {
    t.test(`a reader that has the address of a page is told so and heard: ${method} ${basePath}${path}`, async (t) => {
      const events = new Events({ basePath })
      const { app } = openConsole(t, { basePath, events })
      const body = method === 'GET' ? {} : { body: 'nonsense' }
      const reply = await app.inject({ method, url: basePath + path, headers, ...body })
      t.same(reply.json(), { code: 404, message: 'Not found.' })
      t.equal(reply.statusCode, 404)
      t.match(reply.headers, { 'access-control-allow-origin': '*', 'content-type': 'application/json' })
      const detail = event === 'wrongPath' ? basePath : `${basePath}/${path.split('/')[1]}`
      t.match(events.list().events, [{ kind: event, detail, count: 1 }])
    })
  }
}

t.test('a book that has the name of a path of the wire has its page', async (t) => {
  const { store, reader } = openConsole(t)
  const ann = await reader()
  await push(store, 'ann', { document: 'healthcheck' })
  t.match(await ann.get('/books/healthcheck'), { statusCode: 200, body: /<bdi>healthcheck<\/bdi>/ })
  t.match(await ann.post('/books/healthcheck/title', { title: 'Dune' }), { statusCode: 303 })
})

t.test('the routes of the wire answer a browser as they answer a reader', async (t) => {
  const { app, visit } = openConsole(t)
  const reader = new Reader(app)
  await reader.register()
  const reply = await app.inject({
    url: '/users/auth',
    headers: { ...reader.headers, accept: visit().headers['accept'] },
  })
  t.same(reply.json(), { authorized: 'OK' })
  t.equal((await app.inject({ url: '/healthcheck', headers: visit().headers })).body, '{"state":"OK"}')
})

t.test('the server passes on the path of each route', async (t) => {
  for (const { url } of routes.filter((route) => route.url !== '/')) {
    const isHeld = consolePaths.some(
      (path) => path === url || (path.endsWith('/*') && url.startsWith(path.slice(0, -1))),
    )
    t.ok(isHeld, url)
  }
})

t.test('bodies that are too large, of another type or not whole are refused on a page', async (t) => {
  const { app, visit } = openConsole(t)
  const { headers } = visit()
  const send = (type: string, body: string) =>
    app.inject({ method: 'POST', url: '/sign-in', headers: { ...headers, 'content-type': type }, body })
  const form = 'application/x-www-form-urlencoded'
  t.match(await send(form, 'x'.repeat(16_385)), { statusCode: 413, headers: { 'content-type': /^text\/html/ } })
  t.match(await send('application/json', '{}'), { statusCode: 400, headers: { 'content-type': /^text\/html/ } })
  t.match(await send('multipart/form-data; boundary=x', ''), { statusCode: 400 })
  t.equal((await send(form, 'x'.repeat(16_384))).statusCode, 403)
})

t.test('requests are in the log, with who asked, and without a query, a cookie or what was typed', async (t) => {
  const lines: RequestLine[] = []
  const { visit, reader } = openConsole(t, { logRequest: (line) => lines.push(line) })
  const ann = await reader()
  lines.length = 0
  await ann.get('/books?secret=1')
  const other = visit()
  await other.signIn('ann', 'wrong-password')
  await other.get('/nope')
  t.match(lines, [
    { id: /^page-/, method: 'GET', path: '/books', status: 200, user: 'ann', ip: '127.0.0.1' },
    { method: 'GET', path: '/', status: 200, user: '' },
    { method: 'POST', path: '/sign-in', status: 401, user: 'ann', reason: 'wrong password' },
    { path: '/books', status: 303 },
    { path: '/nope', status: 404, reason: 'There is no such page' },
  ])
  t.equal(lines.length, 5, 'once each')
  const secrets = ['secret', 'wrong-password', ...ann.cookies.values(), ...other.cookies.values()]
  for (const secret of secrets) t.notMatch(JSON.stringify(lines), secret)
})

t.test('an error that nobody expects is logged, and its page tells nothing of it', async (t) => {
  const errors: unknown[] = []
  const { pino } = await import('pino')
  const logger = pino({ base: null }, { write: (line: string) => errors.push(JSON.parse(line)) })
  const { store, visit } = openConsole(t, { logger })
  store.getRegistration = () => {
    throw new Error('private')
  }
  const reply = await visit().get('/')
  t.equal(reply.statusCode, 500)
  t.notMatch(reply.body, 'private')
  t.match(errors, [{ err: { message: 'private' } }])
})

t.test('while no file may change, the pages say so', async (t) => {
  let isReady = false
  const { visit } = openConsole(t, { settings: { isReady: () => isReady } })
  t.match(await visit().get('/'), { statusCode: 503, headers: { 'retry-after': '30' }, body: /backup/ })
  isReady = true
  t.equal((await visit().get('/')).statusCode, 200)
})

t.test('without the console not one of its routes exists', async (t) => {
  const { app, visit } = openConsole(t, { console: undefined })
  for (const { url, method } of routes.filter((route) => route.url !== '/')) {
    const reply = await app.inject({ method, url, headers: visit().headers })
    t.same(reply.json(), { code: 404, message: 'Not found.' }, url)
  }
  t.match((await visit().get('/')).body, /^This is kss, a sync server for KOReader\./)
})

t.test('a form without a Host gets the page about names', async (t) => {
  const { app } = openConsole(t)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const reply = await exchange(app, 'GET /sign-up HTTP/1.0\r\nAccept: text/html\r\n\r\n')
  t.match(reply, /^HTTP\/1\.1 403 .*KSS_CONSOLE_HOSTS=the name/s)
  t.match(await exchange(app, ...request('GET /sign-up', [])), /^HTTP\/1\.1 200 /)
  const sent = request(
    'POST /sign-in',
    ['Content-Type: application/x-www-form-urlencoded', 'Origin: http://kss'],
    'a=b',
  )
  t.match(await exchange(app, ...sent), /^HTTP\/1\.1 403 .*Allow cookies/s, 'the body is read once')
})
