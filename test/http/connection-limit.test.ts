import { once } from 'node:events'
import { connect, type AddressInfo, type Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { AppOptions } from '../../src/app.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import type { User } from '../../src/store/store.ts'
import { position, Reader } from '../helper.ts'
import { exchange, listen, request } from '../raw-socket.ts'

const notLinux = process.platform !== 'linux' && 'only Linux has all of 127.0.0.0/8 as addresses'

interface Limited {
  app: FastifyInstance
  open: (localAddress?: string) => Promise<Socket>
}

/** A server where ann's key is verified already: her requests are authenticated as soon as they are read. */
async function limited(t: Test, options: Partial<AppOptions> = {}): Promise<Limited> {
  const app = await listen(t, { connectionsPerAddress: 3, ...options })
  const ann = new Reader(app)
  await ann.register()
  await ann.authorize()
  const { port } = app.server.address() as AddressInfo
  const open = async (localAddress = '127.0.0.1'): Promise<Socket> => {
    const accepted = once(app.server, 'connection')
    const socket = connect({ port, host: '127.0.0.1', localAddress })
    socket.on('error', () => undefined)
    t.teardown(() => socket.destroy())
    await Promise.all([once(socket, 'connect'), accepted])
    return socket
  }
  return { app, open }
}

/** All that the server says until it closes, or has closed. */
async function answerOf(socket: Socket, bytes: string): Promise<string> {
  let reply = ''
  socket.on('data', (chunk) => (reply += String(chunk)))
  socket.write(bytes)
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
  return reply
}

const health = 'GET /healthcheck HTTP/1.1\r\nHost: kss\r\nConnection: close\r\n\r\n'
const credentials = ['x-auth-user: ann', `x-auth-key: ${new Reader({} as FastifyInstance).key}`]
const body = JSON.stringify(position)
const lines = ['PUT /syncs/progress HTTP/1.1', 'Host: kss', ...credentials, `Content-Length: ${body.length}`]
const push = `${lines.join('\r\n')}\r\n\r\n${body}`
const lastPush = `${[...lines, 'Connection: close'].join('\r\n')}\r\n\r\n${body}`

/** Sends all of a push but its last byte, which the server then waits for. */
async function hold(app: FastifyInstance, socket: Socket): Promise<void> {
  const asked = once(app.server, 'request')
  socket.write(lastPush.slice(0, -1))
  await asked
}

t.test('one more connection takes the place of the oldest that waits', { skip: notLinux }, async (t) => {
  const { open } = await limited(t)
  const [first, second, third] = [await open(), await open(), await open()]
  const other = await open('127.0.0.2')
  const fourth = await open()
  t.equal(await answerOf(first, health), '')
  for (const socket of [second, third, fourth, other]) t.match(await answerOf(socket, health), /^HTTP\/1\.1 200 /)
  t.match(await answerOf(await open(), health), /^HTTP\/1\.1 200 /)
})

t.test('a connection waits anew after each authenticated request, not after others', async (t) => {
  const { open } = await limited(t)
  const [anns, strangers] = [await open(), await open()]
  anns.write(push)
  await once(anns, 'data')
  strangers.write('GET /healthcheck HTTP/1.1\r\nHost: kss\r\n\r\n')
  await once(strangers, 'data')
  await open()
  await open()
  t.notOk(anns.closed)
  t.equal(await answerOf(strangers, health), '')
  for (let more = 0; more < 10; more += 1) await open()
  t.match(await answerOf(anns, lastPush), /^HTTP\/1\.1 200 /)
})

t.test('where most connections were authenticated, the one that waits longest goes', async (t) => {
  const { open } = await limited(t)
  const anns = [await open(), await open(), await open()]
  for (const socket of anns) {
    socket.write(push)
    await once(socket, 'data')
  }
  const [first, second, third] = anns as [Socket, Socket, Socket]
  const fourth = await open()
  t.equal(await answerOf(first, lastPush), '')
  const fifth = await open()
  t.equal(await answerOf(second, lastPush), '')
  for (const socket of [third, fourth, fifth]) t.match(await answerOf(socket, lastPush), /^HTTP\/1\.1 200 /)
})

t.test('an authenticated request in flight is never cut off', async (t) => {
  const { app, open } = await limited(t)
  const held = await open()
  await hold(app, held)
  for (let more = 0; more < 10; more += 1) await open()
  t.match(await answerOf(held, lastPush.slice(-1)), /^HTTP\/1\.1 200 /)
})

t.test('a connection with several of them in flight waits when the last one is answered', async (t) => {
  const { app, open } = await limited(t)
  const piped = await open()
  piped.write(push)
  await hold(app, piped)
  for (let more = 0; more < 5; more += 1) await open()
  t.match(await answerOf(piped, lastPush.slice(-1)), /^HTTP\/1\.1 200 [^]*HTTP\/1\.1 200 /)
  const both = await open()
  both.write(push + push)
  for (let answers = ''; !/(200 OK[^]*){2}\}$/.test(answers);) answers += String(await once(both, 'data'))
  for (const other of [await open(), await open()]) {
    other.write(push)
    await once(other, 'data')
  }
  await open()
  t.equal(await answerOf(both, lastPush), '')
})

t.test('where all connections are busy, one more is refused', async (t) => {
  const { app, open } = await limited(t)
  const held = [await open(), await open(), await open()]
  for (const socket of held) await hold(app, socket)
  const refusal = await answerOf(await open(), '')
  t.match(refusal, /^HTTP\/1\.1 429 [^]*\r\ncontent-type: application\/json\r\n[^]*"code":429/)
  for (const socket of held) t.match(await answerOf(socket, lastPush.slice(-1)), /^HTTP\/1\.1 200 /)
})

t.test('a connection that ends while its log-in is checked leaves its place', async (t) => {
  let goOn = (): void => undefined
  const checked = new Promise<void>((resolve) => (goOn = resolve))
  class Slow extends MemoryStore {
    slow = false
    override async getUser(username: string): Promise<User | undefined> {
      if (this.slow) await checked
      return super.getUser(username)
    }
  }
  const store = new Slow()
  const { app, open } = await limited(t, { connectionsPerAddress: 2, store })
  const other = await open()
  store.slow = true
  const accepted = once(app.server, 'connection')
  const socket = await open()
  const [ofServer] = (await accepted) as [Socket]
  await hold(app, socket)
  socket.destroy()
  await once(ofServer, 'close')
  goOn()
  for (const each of [await open(), other]) t.match(await answerOf(each, lastPush), /^HTTP\/1\.1 200 /)
})

t.test('a trusted proxy has as many as it likes', async (t) => {
  const { open } = await limited(t, { trustedProxies: ['127.0.0.1'] })
  const sockets: Socket[] = []
  for (let more = 0; more < 10; more += 1) sockets.push(await open())
  for (const socket of sockets) t.match(await answerOf(socket, health), /^HTTP\/1\.1 200 /)
})

t.test('300 slow bodies and as many slow headers do not keep out an owner of the same address', async (t) => {
  const { app, open } = await limited(t, { connectionsPerAddress: 200 })
  const starts = [
    'POST /users/create HTTP/1.1\r\nHost: kss\r\nContent-Length: 10000\r\n\r\n{',
    'PUT /syncs/progress HTTP/1.1\r\nHost: kss\r\nContent-Length: 10000\r\n\r\n{',
    'GET /healthcheck HTTP/1.1\r\nHost: kss\r\nX-Slow: ',
    'GET /healthcheck HTTP/1.1\r\n',
  ]
  for (let round = 0; round < 150; round += 1) {
    for (const start of starts) (await open()).write(start)
    if (round % 15 === 0) {
      t.match(await exchange(app, ...request('PUT /syncs/progress', credentials, body)), /^HTTP\/1\.1 200 /)
    }
  }
  t.match(await exchange(app, ...request('GET /syncs/progress/abc', credentials)), /^HTTP\/1\.1 200 [^]*"abc"/)
})
