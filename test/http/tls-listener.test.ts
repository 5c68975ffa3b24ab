import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, Socket, type AddressInfo } from 'node:net'
import { Agent, get } from 'node:https'
import { text } from 'node:stream/consumers'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { IncomingMessage } from 'node:http'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import type { AppOptions } from '../../src/app.ts'
import { Events } from '../../src/doctor/events.ts'
import { createTlsListener, type TlsListener } from '../../src/http/tls-listener.ts'
import { build, position, Reader } from '../helper.ts'
import { makePair, pairOf } from '../tls/make.ts'
import { until } from '../until.ts'

interface Line {
  level: number
  msg: string
}

const health = 'GET /healthcheck HTTP/1.1\r\nHost: kss\r\nConnection: close\r\n\r\n'

/** An app on an https port, with ann's account. */
async function listen(t: Test, options: Partial<AppOptions> = {}, listener = createTlsListener(pairOf('ec'))) {
  const log: Line[] = []
  const logger = pino({}, { write: (line: string) => log.push(JSON.parse(line) as Line) })
  const app = build(t, { logger, tls: { listener, besideHttp: false }, ...options })
  const ann = new Reader(app)
  await ann.register()
  await once(listener.server.listen(0, '127.0.0.1'), 'listening')
  const { port } = listener.server.address() as AddressInfo
  const open = async (more: ConnectionOptions = {}): Promise<TLSSocket> => {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ...more })
    t.teardown(() => socket.destroy())
    await once(socket, 'secureConnect')
    return socket.on('error', () => undefined)
  }
  const openRaw = async (): Promise<Socket> => {
    const accepted = once(listener.server, 'connection')
    const socket = connect(port, '127.0.0.1').on('error', () => undefined)
    t.teardown(() => socket.destroy())
    await accepted
    return socket
  }
  return { app, ann, port, listener, log, open, openRaw }
}

/** All that the server says until it closes. */
async function answerOf(socket: Socket, bytes = ''): Promise<string> {
  let reply = ''
  socket.on('data', (chunk) => (reply += String(chunk)))
  if (bytes !== '') socket.write(bytes)
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
  return reply
}

for (const [kind, cipher] of [
  ['rsa', /^ECDHE-RSA-/],
  ['ec', /^ECDHE-ECDSA-/],
] as const) {
  t.test(`a reader that knows only TLS 1.2 pushes and pulls with an ${kind} key, by a short handshake`, async (t) => {
    const { ann, open } = await listen(t, {}, createTlsListener(pairOf(kind)))
    const socket = await open({ minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' })
    t.equal(socket.getProtocol(), 'TLSv1.2')
    t.match(socket.getCipher().name, cipher)
    // A microcontroller with mbed TLS has 4 KiB for what comes in.
    t.ok(socket.bytesRead < 4096, `${socket.bytesRead} bytes came for the handshake`)
    const body = JSON.stringify(position)
    const credentials = `x-auth-user: ann\r\nx-auth-key: ${ann.key}\r\nHost: kss\r\n`
    socket.write(`PUT /syncs/progress HTTP/1.1\r\n${credentials}Content-Length: ${body.length}\r\n\r\n${body}`)
    t.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 200 /)
    const pull = `GET /syncs/progress/${position.document} HTTP/1.1\r\n${credentials}Connection: close\r\n\r\n`
    t.match(await answerOf(socket, pull), position.progress)
  })
}

for (const ciphers of ['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-SHA256', 'AES128-GCM-SHA256']) {
  t.test(`a reader that knows only ${ciphers} gets it`, async (t) => {
    const { open } = await listen(t, {}, createTlsListener(pairOf('rsa')))
    t.equal((await open({ maxVersion: 'TLSv1.2', ciphers })).getCipher().name, ciphers)
  })
}

t.test('what is older than TLS 1.2 is refused, and so is HTTP/2', async (t) => {
  const { open } = await listen(t)
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
  await t.rejects(open(old), { code: /^ERR_SSL_/ })
  await t.rejects(open({ ALPNProtocols: ['h2'] }), { code: /^ERR_SSL_/ })
  t.equal((await open({ ALPNProtocols: ['h2', 'http/1.1'] })).alpnProtocol, 'http/1.1')
})

t.test('http typed for https gets an error that says so, and leaves a warning and an event', async (t) => {
  const events = new Events()
  const { openRaw, log, app } = await listen(t, { events })
  const reply = await answerOf(await openRaw(), health)
  t.match(reply, /^HTTP\/1\.1 400 [^]*\r\ncontent-type: application\/json\r\n/)
  t.match(reply, '{"code":400,"message":"This port has https. Type https:// instead of http://."}')
  const msg = '127.0.0.1 asks for http://, and this port has https. Type https:// on the reader.'
  t.match(log, [{ level: 40, msg }])
  t.match(events.list().events, [{ kind: 'plainHttp', address: '127.0.0.1', count: 1 }])
  t.equal((await app.inject('/healthcheck')).statusCode, 200)
})

t.test('other noise leaves no warning, and others are served', async (t) => {
  const { openRaw, open, log } = await listen(t)
  for (const noise of ['SSH-2.0-OpenSSH_9.6\r\n', '\x16\x03\x01\x00\x05nonse', '\x00'.repeat(100)]) {
    t.notMatch(await answerOf(await openRaw(), noise), 'HTTP')
  }
  ;(await openRaw()).resetAndDestroy()
  t.match(await answerOf(await open(), health), /^HTTP\/1\.1 200 /)
  t.same(log, [])
})

t.test('connections that are gone when they are told of do no harm', async (t) => {
  const { listener, log } = await listen(t)
  listener.server.emit('secureConnection', new Socket())
  const error = Object.assign(new Error('http request'), { code: 'ERR_SSL_HTTP_REQUEST' })
  listener.server.emit('tlsClientError', error, new Socket())
  t.same(log, [])
})

t.test('a handshake that is not done in time is closed, however its bytes come', async (t) => {
  const { openRaw } = await listen(t, {}, createTlsListener(pairOf('ec'), 100))
  const silent = await openRaw()
  const slow = await openRaw()
  slow.write('\x16')
  const drip = setInterval(() => slow.write('\x03'), 20)
  t.teardown(() => clearInterval(drip))
  t.same(await Promise.all([answerOf(silent), answerOf(slow)]), ['', ''])
})

t.test('the times of requests hold, and those of connections', async (t) => {
  const { app, open } = await listen(t)
  app.server.headersTimeout = 1
  app.server.timeout = 1
  const slow = await open()
  app.server.timeout = 0
  t.match(await answerOf(slow), /^(HTTP\/1\.1 408 |$)/)
  t.match(await answerOf(await open(), 'GET / HTTP/1.1\r\n'), /^HTTP\/1\.1 408 /)
})

t.test('the limit of connections counts those without a handshake', async (t) => {
  const { openRaw, open, app, ann } = await listen(t, { connectionsPerAddress: 2 })
  await ann.authorize()
  const silent = await openRaw()
  const held = await open()
  const asked = once(app.server, 'request')
  const body = JSON.stringify(position)
  const head = `PUT /syncs/progress HTTP/1.1\r\nHost: kss\r\nx-auth-user: ann\r\nx-auth-key: ${ann.key}\r\n`
  held.write(`${head}Connection: close\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, -1)}`)
  await asked
  const others = [await open(), await open(), await open()]
  t.equal(await answerOf(silent), '')
  t.equal(await answerOf(others[0]!), '', 'an idle one of the same address went')
  t.match(await answerOf(held, body.slice(-1)), /^HTTP\/1\.1 200 /, 'the authenticated one in flight stayed')
  t.match(await answerOf(others[2]!, health), /^HTTP\/1\.1 200 /)
})

t.test('a stop finishes what is in flight, and ends idle connections and handshakes', async (t) => {
  const { app, open, openRaw, ann, listener } = await listen(t)
  await ann.authorize()
  const [held, idle, silent] = [await open(), await open(), await openRaw()]
  const agent = new Agent({ keepAlive: true, rejectUnauthorized: false })
  t.teardown(() => agent.destroy())
  const { port } = listener.server.address() as AddressInfo
  const first = get({ agent, port, host: '127.0.0.1', path: '/healthcheck' })
  const [response] = (await once(first, 'response')) as [IncomingMessage]
  t.equal(await text(response), '{"state":"OK"}')
  const asked = once(app.server, 'request')
  const body = JSON.stringify(position)
  const head = `PUT /syncs/progress HTTP/1.1\r\nHost: kss\r\nx-auth-user: ann\r\nx-auth-key: ${ann.key}\r\n`
  held.write(`${head}Content-Length: ${body.length}\r\n\r\n${body.slice(0, -1)}`)
  await asked
  const closed = app.close()
  t.equal(await answerOf(silent), '')
  await t.rejects(open())
  t.match(await answerOf(held, body.slice(-1)), /^HTTP\/1\.1 200 /)
  t.equal(await answerOf(idle), '')
  await closed
  await until(() => first.socket!.destroyed)
})

t.test('a new certificate is for new connections, and those that are open stay', async (t) => {
  const { open, listener } = await listen(t)
  const fingerprint = (socket: TLSSocket): string => socket.getPeerCertificate().fingerprint256
  const before = await open()
  const next = makePair()
  listener.setCertificate(next)
  const after = await open()
  t.not(fingerprint(after), fingerprint(before))
  t.throws(() => listener.setCertificate({ ...next, cert: 'nonsense' }))
  t.equal(fingerprint(await open()), fingerprint(after))
  t.match(await answerOf(before, health), /^HTTP\/1\.1 200 /)
})

t.test('a plain port beside it serves the same', async (t) => {
  const listener = createTlsListener(pairOf('ec'))
  const { app, open } = await listen(t, { tls: { listener, besideHttp: true } }, listener)
  await once(app.server.listen(0, '127.0.0.1'), 'listening')
  const { port } = app.server.address() as AddressInfo
  for (const socket of [connect(port, '127.0.0.1'), await open()]) {
    t.match(await answerOf(socket, health), /^HTTP\/1\.1 200 /)
  }
})

t.test('connections of the same ends, one after the other, are told apart', async (t) => {
  const listener: TlsListener = createTlsListener(pairOf('ec'))
  t.teardown(() => listener.stop())
  const http = createServer((_request, response) => response.end('ok'))
  listener.serve(http, {
    logger: pino({ level: 'silent' }),
    answer: () => undefined,
    besideHttp: true,
    onHttp: () => undefined,
  })
  await once(listener.server.listen(0, '127.0.0.1'), 'listening')
  const [first, second] = [new Socket(), new Socket()]
  listener.server.emit('connection', first)
  listener.server.emit('connection', second)
  first.destroy()
  await once(first, 'close')
  t.equal(listener.belowTls(first), first)
  second.destroy()
  await once(second, 'close')
})
