import { once } from 'node:events'
import { connect, type AddressInfo, type Socket } from 'node:net'
import fastify from 'fastify'
import t from 'tap'
import type { stopGracefully } from '../../src/http/graceful-stop.ts'

for (const how of ['destroy', 'resetAndDestroy'] as const) {
  t.test(`a stop does not wait for pipelined requests of a connection that ends (${how})`, async (t) => {
    const forever = new Promise<never>(() => undefined)
    const mocks = { 'node:timers/promises': { setTimeout: () => forever } }
    const mocked = await t.mockImport<{ stopGracefully: typeof stopGracefully }>(
      '../../src/http/graceful-stop.ts',
      mocks,
    )
    const app = fastify()
    const stopping = new Promise<void>((resolve) => app.addHook('preClose', async () => resolve()))
    mocked.stopGracefully(app)
    app.get('/', () => forever)
    await app.listen({ host: '127.0.0.1', port: 0 })
    let asked = 0
    const bothAsked = new Promise<void>((resolve) => {
      app.server.on('request', () => (asked += 1) === 2 && resolve())
    })
    const accepted = once(app.server, 'connection') as Promise<[Socket]>
    const client = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
    client.write('GET / HTTP/1.1\r\nHost: kss\r\n\r\n'.repeat(2))
    const [socket] = await accepted
    await bothAsked
    const closed = app.close()
    await stopping
    await new Promise(setImmediate)
    client[how]()
    await closed
    t.ok(socket.destroyed)
  })
}
