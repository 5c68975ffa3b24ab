import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ControlChannel, serveCalls } from '../../src/control/control-channel.ts'

/** A channel to one who answers with the arguments, and all that went over it. */
async function echo(t: Test): Promise<{ channel: ControlChannel; sent: () => string; sockets: Socket[] }> {
  const dir = await mkdtemp(join(tmpdir(), 'kss-control-'))
  const sockets: Socket[] = []
  let sent = ''
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('data', (chunk) => (sent += String(chunk)))
    socket.write('{}\n')
    serveCalls(socket, async (method, args) => {
      if (method === 'fail') throw new Error('no')
      return args
    })
  })
  const path = join(dir, 'socket')
  await once(server.listen(path), 'listening')
  const channel = await ControlChannel.open(path)
  t.teardown(async () => {
    channel.close()
    server.close()
    await rm(dir, { recursive: true })
  })
  return { channel, sent: () => sent, sockets }
}

t.test('names with every kind of line end come and go as they are, each call on one line', async (t) => {
  const { channel, sent } = await echo(t)
  const names = ['\n', '\r', '\u2028', '\u2029', '\u0085', '李\u2028"\\u2028']
  t.same(await channel.call('echo', names), names)
  t.same(await channel.call('echo', [1]), [1])
  t.notMatch(sent(), /[\u2028\u2029\r]/)
  t.equal(sent().split('\n').length, 3)
})

t.test('calls that come together are answered in their order, and a failure is its message', async (t) => {
  const { channel } = await echo(t)
  const calls = [channel.call('echo', [1]), channel.call('fail', []), channel.call('echo', [2])]
  const results = await Promise.allSettled(calls)
  t.match(results, [{ value: [1] }, { reason: { message: 'no' } }, { value: [2] }])
})

t.test('a call to one who goes away rejects', async (t) => {
  const { channel, sockets } = await echo(t)
  const call = channel.call('echo', [1])
  sockets[0]?.destroy()
  await t.rejects(call, { message: 'The kss that serves the folder has ended.' })
})

t.test('what is no call is answered by why', async (t) => {
  const server = createServer((socket) => serveCalls(socket, async () => 'done'))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close())
  const { connect } = await import('node:net')
  const socket = connect((server.address() as AddressInfo).port)
  socket.write('nonsense\n')
  const [answer] = (await once(socket, 'data')) as [Buffer]
  t.match(String(answer), /^\{"error":".*JSON.*"\}\n$/)
  socket.destroy()
})
