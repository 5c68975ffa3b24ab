import { once } from 'node:events'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { promisify } from 'node:util'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { position, Reader } from '../helper.ts'
import { exchange, listen, request } from '../raw-socket.ts'
import { until } from '../until.ts'

/** A request of which the body has begun, and is not whole. */
async function begin(t: Test, app: FastifyInstance, line: string, headers: string[] = []): Promise<Socket> {
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  socket.on('error', () => undefined)
  t.teardown(() => socket.destroy())
  const asked = once(app.server, 'request')
  socket.write([`${line} HTTP/1.1`, 'Host: kss', ...headers, 'Content-Length: 100', '', '{'].join('\r\n'))
  await asked
  return socket
}

const register = 'POST /users/create'

async function beginAll(t: Test, app: FastifyInstance): Promise<Socket[]> {
  const sockets: Socket[] = []
  while (sockets.length < 20) sockets.push(await begin(t, app, register))
  return sockets
}

t.test('the twenty-first registration whose body is not whole is refused at once', async (t) => {
  const app = await listen(t)
  await beginAll(t, app)
  const socket = await begin(t, app, register)
  t.match(String(await once(socket, 'data')), /^HTTP\/1\.1 429 [^]*\r\nretry-after: 10\r\n[^]*"code":2007/)
  const reader = await begin(t, app, register, ['Accept: application/vnd.koreader.v1+json'])
  const message = 'Too many attempts. Try again in 10 seconds.'
  t.match(String(await once(reader, 'data')), new RegExp(`^HTTP/1\\.1 402 [^]*"code":2007,"message":"${message}"`))
})

t.test('meanwhile whole requests are answered, and the bodies of who is logged in are waited for', async (t) => {
  const app = await listen(t)
  const ann = new Reader(app)
  await beginAll(t, app)
  const body = JSON.stringify({ username: ann.username, password: ann.key })
  t.match(await exchange(app, ...request(register, [], body)), /^HTTP\/1\.1 201 /)
  const headers = ['x-auth-user: ann', `x-auth-key: ${ann.key}`]
  const held = await begin(t, app, 'PUT /syncs/progress', [...headers, 'Connection: close'])
  held.write(JSON.stringify(position).slice(1).padEnd(99))
  t.match(String(await once(held, 'data')), /^HTTP\/1\.1 200 /)
})

for (const [what, end] of [
  ['whole', (socket: Socket) => socket.write('}'.padEnd(99))],
  ['broken off', (socket: Socket) => socket.destroy()],
] as const) {
  t.test(`a body that is ${what} makes room for another`, async (t) => {
    const app = await listen(t)
    const ended = await beginAll(t, app)
    for (const socket of ended) end(socket)
    for (;;) {
      const socket = await begin(t, app, register)
      socket.write('}'.padEnd(99))
      const [answer] = (await once(socket, 'data')) as [Buffer]
      // The server may not have seen the end yet.
      if (String(answer).startsWith('HTTP/1.1 429 ')) continue
      t.match(String(answer), /^HTTP\/1\.1 403 /)
      break
    }
  })
}

t.test('a body behind another request does not stay counted when its connection breaks off', async (t) => {
  const store = new MemoryStore()
  let goOn = (): void => undefined
  const held = new Promise<undefined>((resolve) => (goOn = () => resolve(undefined)))
  store.getUser = (username) => (username === 'ann' ? held : undefined)
  const app = await listen(t, { store })
  const body = JSON.stringify({ username: 'ann', password: 'K' })
  const whole = `${register} HTTP/1.1\r\nHost: kss\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  let requests = 0
  app.server.on('request', () => (requests += 1))
  for (let at = 1; at <= 21; at += 1) {
    const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write(`${whole}${register} HTTP/1.1\r\nHost: kss\r\nContent-Length: 100\r\n\r\n{`)
    await until(() => requests === 2 * at)
    // It is counted after Node has read on.
    await new Promise(setImmediate)
    socket.destroy()
  }
  goOn()
  const connections = promisify(app.server.getConnections.bind(app.server))
  await until(async () => (await connections()) === 0)
  const socket = await begin(t, app, register)
  socket.write('}'.padEnd(99))
  t.match(String(await once(socket, 'data')), /^HTTP\/1\.1 403 /)
})

t.test('bodies that are refused do not stay counted', async (t) => {
  const app = await listen(t)
  for (let at = 0; at < 30; at += 1) {
    const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write(`${register} HTTP/1.1\r\nHost: kss\r\nContent-Length: 20000\r\n\r\n{`)
    t.match(String(await once(socket, 'data')), /^HTTP\/1\.1 413 /)
    t.teardown(() => socket.destroy())
  }
})
