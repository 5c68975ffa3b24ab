import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ControlChannel, serveCalls, stoppable, type Call } from '../../src/control/control-channel.ts'
import { until } from '../until.ts'

const echoing: Call = async (method, args) => {
  if (method === 'fail') throw new Error('no')
  return args
}

/** A channel to one who answers with the arguments, unless another function does, and all that went over it. */
async function echo(
  t: Test,
  call = echoing,
): Promise<{ channel: ControlChannel; sent: () => string; sockets: Socket[] }> {
  const dir = await mkdtemp(join(tmpdir(), 'kss-control-'))
  const sockets: Socket[] = []
  let sent = ''
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('data', (chunk) => (sent += String(chunk)))
    socket.write('{}\n')
    serveCalls(socket, call)
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

t.test('a stop waits until the calls under way are answered, and refuses further ones', async (t) => {
  let done = (): void => undefined
  const work = new Promise<void>((resolve) => (done = resolve))
  let [begun, isStopped] = [0, false]
  const { call, stop } = stoppable(async (method, args) => {
    begun += 1
    await work
    return await echoing(method, args)
  })
  const { channel, sockets } = await echo(t, call)
  const other = await echo(t, call)
  const results = Promise.allSettled([channel.call('echo', [1]), other.channel.call('fail', [])])
  await until(() => begun === 2)
  const closeAfterStop = async (): Promise<void> => {
    await stop()
    isStopped = true
    for (const socket of [...sockets, ...other.sockets]) socket.destroy()
  }
  const closed = closeAfterStop()
  const late = await echo(t, call)
  await t.rejects(late.channel.call('echo', []), { message: 'the server is stopping: try again' })
  t.notOk(isStopped)
  done()
  t.match(await results, [{ value: [1] }, { reason: { message: 'no' } }])
  await closed
})
