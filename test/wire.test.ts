import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import t from 'tap'
import { exchange, listen, request } from './raw-socket.ts'

const key = '5ebe2294ecd0e0f08eab7690d2a6ee69'
const user = Buffer.from('Łucja')

const headersOf = (reply: string): string[] => reply.split('\r\n\r\n', 1)[0]?.split('\r\n').slice(1) ?? []
const headerOf = (reply: string, name: string): string | undefined =>
  headersOf(reply)
    .map((line) => line.split(': ', 2))
    .find(([of]) => of?.toLowerCase() === name)?.[1]

// Those that wait for a time limit wait together.
t.jobs = 2

t.test('every answer is exactly application/json, is not stored or sniffed, and any page may read it', async (t) => {
  const app = await listen(t)
  const auth = [Buffer.concat([Buffer.from('X-Auth-User: '), user]), `X-Auth-Key: ${key}`]
  const push = JSON.stringify({ document: 'abc', percentage: 0.5, progress: '56', device: 'kpw' })
  for (const [status, ...parts] of [
    [201, ...request('POST /users/create', [], JSON.stringify({ username: 'Łucja', password: key }))],
    [402, ...request('POST /users/create', [], JSON.stringify({ username: 'Łucja', password: key }))],
    [200, ...request('GET /users/auth', auth)],
    [200, ...request('PUT /syncs/progress', auth, push)],
    [200, ...request('GET /syncs/progress/abc', auth)],
    [200, ...request('GET /syncs/progress/unknown', auth)],
    [200, ...request('HEAD /syncs/progress/abc', auth)],
    [200, ...request('GET /healthcheck', [])],
    [401, ...request('GET /users/auth', [])],
    [403, ...request('PUT /syncs/progress', auth, '{}')],
    [400, ...request('PUT /syncs/progress', auth, '{')],
    [413, ...request('PUT /syncs/progress', auth, ' '.repeat(20_000))],
    [404, ...request('GET /nope', [])],
    [405, ...request('POST /users/auth', [])],
    [204, ...request('OPTIONS /users/auth', [])],
    [404, ...request('OPTIONS /nope', [])],
    [204, ...request('OPTIONS /nope', ['Access-Control-Request-Method: GET'])],
    [204, ...request('OPTIONS /%zz', ['Access-Control-Request-Method: GET'])],
    [400, ...request('GET /%zz', [])],
    [431, ...request('GET /healthcheck', [`X-Long: ${'a'.repeat(17_000)}`])],
    [400, 'nonsense\r\n\r\n'],
    [400, ...request('GET /healthcheck', ['Content-Length: 1', 'Transfer-Encoding: chunked'])],
    [400, 'GET /healthcheck HTTP/1.1\r\nConnection: close\r\n\r\n'],
    [200, 'GET /healthcheck HTTP/1.0\r\n\r\n'],
    [405, 'CONNECT kss:80 HTTP/1.1\r\nHost: kss\r\n\r\n'],
    [417, ...request('POST /users/create', ['Expect: 200-ok'], '{}')],
  ] as const) {
    const reply = await exchange(app, ...parts)
    t.match(reply, new RegExp(`^HTTP/1\\.1 ${status} `), `${status} for ${String(parts[0]).split('\r\n', 1)[0]}`)
    t.equal(headerOf(reply, 'content-type'), status === 204 ? undefined : 'application/json')
    t.equal(headerOf(reply, 'cache-control'), 'no-store')
    t.equal(headerOf(reply, 'x-content-type-options'), 'nosniff')
    t.equal(headerOf(reply, 'access-control-allow-origin'), '*')
  }
})

t.test('header values are raw UTF-8 bytes', async (t) => {
  const app = await listen(t)
  await exchange(app, ...request('POST /users/create', [], JSON.stringify({ username: 'Łucja', password: key })))
  const reply = await exchange(
    app,
    ...request('GET /users/auth', [Buffer.concat([Buffer.from('x-auth-user: '), user]), `x-auth-key: ${key}`]),
  )
  t.match(reply, /^HTTP\/1\.1 200 /)
})

t.test('a body may come in chunks, and after 100 Continue', async (t) => {
  const app = await listen(t)
  const body = JSON.stringify({ username: 'ann', password: key })
  const chunks = body
    .split('')
    .map((character) => `1\r\n${character}\r\n`)
    .join('')
  const reply = await exchange(
    app,
    ...request('POST /users/create', ['Transfer-Encoding: chunked', 'Expect: 100-continue']),
    `${chunks}0\r\n\r\n`,
  )
  t.match(reply, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 /)
})

t.test('requests in a row on one connection are answered in their order', async (t) => {
  const app = await listen(t)
  const reply = await exchange(
    app,
    'GET /healthcheck HTTP/1.1\r\nHost: kss\r\n\r\nGET /nope HTTP/1.1\r\nHost: kss\r\n\r\n',
    ...request('GET /healthcheck', []),
  )
  t.same(reply.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 404', 'HTTP/1.1 200'])
})

t.test('a document of 1,024 four-byte characters fits into a URL', async (t) => {
  const app = await listen(t)
  const document = '😀'.repeat(1024)
  await exchange(app, ...request('POST /users/create', [], JSON.stringify({ username: 'ann', password: key })))
  const auth = ['x-auth-user: ann', `x-auth-key: ${key}`]
  const push = JSON.stringify({ document, percentage: 0.5, progress: '56', device: 'kpw' })
  t.match(await exchange(app, ...request('PUT /syncs/progress', auth, push)), /^HTTP\/1\.1 200 /)
  const reply = await exchange(app, ...request(`GET /syncs/progress/${encodeURIComponent(document)}`, auth))
  t.ok(Buffer.from(reply, 'latin1').toString().includes(document))
})

t.test('closing finishes what is in flight, and does not wait for silent connections', async (t) => {
  const app = await listen(t)
  const { port } = app.server.address() as AddressInfo
  const silent = connect(port, '127.0.0.1')
  silent.on('error', () => undefined)
  await once(silent, 'connect')
  const body = JSON.stringify({ username: 'ann', password: key })
  const inFlight = exchange(app, ...request('POST /users/create', [], body))
  await once(app.server, 'request')
  await app.close()
  t.match(await inFlight, /^HTTP\/1\.1 201 /)
  t.equal(silent.destroyed || (await once(silent, 'close')).length > 0, true)
})

t.test('a request on an open connection while the server stops answers 503, and when to come back', async (t) => {
  const app = await listen(t)
  const { port } = app.server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  let reply = ''
  socket.setEncoding('latin1').on('data', (chunk) => (reply += String(chunk)))
  const body = JSON.stringify({ username: 'ann', password: key })
  socket.write(request('POST /users/create', [], body).join('').replace('close', 'keep-alive'))
  await once(app.server, 'request')
  const closed = app.close()
  // Pipelined behind the registration, which takes its time.
  socket.write(request('GET /healthcheck', []).join(''))
  await Promise.all([closed, once(socket, 'close')])
  t.match(reply, /^HTTP\/1\.1 201 [^]*HTTP\/1\.1 503 [^]*retry-after: 10\r\n[^]*"code":503/)
})

t.test('a request that never ends is answered 408 and closed', { buffered: true }, async (t) => {
  const app = await listen(t)
  const { requestTimeout, headersTimeout } = app.server
  t.same({ requestTimeout, headersTimeout }, { requestTimeout: 10_000, headersTimeout: 10_000 })
  const started = exchange(app, 'GET /healthcheck HTTP/1.1\r\n')
  t.match(await started, /^HTTP\/1\.1 408 [^]*\r\ncontent-type: application\/json\r\n/)
})

t.test('a connection without requests is closed, as its last answer said', { buffered: true }, async (t) => {
  const app = await listen(t)
  const { port } = app.server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  let reply = ''
  socket.setEncoding('latin1').on('data', (chunk) => (reply += String(chunk)))
  socket.write('GET /healthcheck HTTP/1.1\r\nHost: kss\r\n\r\n')
  await once(socket, 'close')
  t.match(reply, /^HTTP\/1\.1 200 OK\r\n[^]*keep-alive: timeout=10\r\n[^]*"OK"}$/)
})

t.test('clients that hang up do not hold up the stop', async (t) => {
  const app = await listen(t)
  const { port } = app.server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  socket.write('POST /users/create HTTP/1.1\r\nHost: kss\r\nContent-Length: 100\r\n\r\n{')
  await once(app.server, 'request')
  socket.destroy()
  await app.close()
  t.notOk(app.server.listening)
})
