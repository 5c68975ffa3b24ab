import { once } from 'node:events'
import { connect, type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { build } from './helper.ts'

async function opener(t: Test, trustedProxies: string[] = []): Promise<(localAddress: string) => Promise<Socket>> {
  const app = build(t, { connectionsPerAddress: 3, trustedProxies })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  return async (localAddress) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress })
    t.teardown(() => socket.destroy())
    await once(socket, 'connect')
    return socket
  }
}

/** All that the server says to a health check, or on its own. */
async function ask(socket: Socket): Promise<string> {
  let reply = ''
  socket.on('data', (chunk) => (reply += String(chunk))).on('error', () => undefined)
  socket.write('GET /healthcheck HTTP/1.1\r\nHost: kss\r\nConnection: close\r\n\r\n')
  await once(socket, 'close')
  return reply
}

const notLinux = process.platform !== 'linux' && 'only Linux has all of 127.0.0.0/8 as addresses'

t.test(
  'an address has so many connections; others, and who waits for one to end, get theirs',
  { skip: notLinux },
  async (t) => {
    const open = await opener(t)
    const [first, second, third] = [await open('127.0.0.1'), await open('127.0.0.1'), await open('127.0.0.1')]
    t.match(
      await ask(await open('127.0.0.1')),
      /^HTTP\/1\.1 429 [^]*\r\ncontent-type: application\/json\r\n[^]*"code":429/,
    )
    t.match(await ask(await open('127.0.0.2')), /^HTTP\/1\.1 200 /)
    for (const socket of [first, second, third]) t.match(await ask(socket), /^HTTP\/1\.1 200 /)
    t.match(await ask(await open('127.0.0.1')), /^HTTP\/1\.1 200 /)
  },
)

t.test('a trusted proxy has as many as it likes', async (t) => {
  const open = await opener(t, ['127.0.0.1'])
  const sockets = await Promise.all(Array.from({ length: 10 }, () => open('127.0.0.1')))
  for (const socket of sockets) t.match(await ask(socket), /^HTTP\/1\.1 200 /)
})
