import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { build } from '../helper.ts'

interface Line {
  level: number
  msg: string
}

/** A listening server, and what it logs. */
async function listen(t: Test): Promise<{ port: number; log: Line[] }> {
  const log: Line[] = []
  const logger = pino({}, { write: (line: string) => log.push(JSON.parse(line) as Line) })
  const app = build(t, { logger })
  await app.listen({ host: '127.0.0.1', port: 0 })
  log.length = 0
  return { port: (app.server.address() as AddressInfo).port, log }
}

/** Sends the text; resolves when the server has closed the connection. */
async function send(port: number, text: string): Promise<void> {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined)
  socket.resume().write(text)
  await once(socket, 'close')
}

t.test('a reader that was told https:// leaves a warning with its address, and what to do', async (t) => {
  const { port, log } = await listen(t)
  const socket = connectTls({ port, host: '127.0.0.1' })
  await once(socket, 'error')
  const msg =
    '127.0.0.1 asks for https://, and this port has plain http. ' +
    'Type http:// on the reader, or the https:// address of a reverse proxy in front of kss.'
  t.match(log, [{ level: 40, msg }])
})

t.test('a reader that takes the server for a proxy leaves a warning with its address, and what to do', async (t) => {
  const { port, log } = await listen(t)
  await send(port, 'CONNECT sync.koreader.rocks:443 HTTP/1.1\r\nHost: sync.koreader.rocks\r\n\r\n')
  const msg =
    '127.0.0.1 sends CONNECT: it takes kss for an HTTP proxy. ' +
    'Turn the HTTP proxy off in the network settings of the reader.'
  t.match(log, [{ level: 40, msg }])
})

t.test('other noise leaves no warning', async (t) => {
  const { port, log } = await listen(t)
  for (const noise of [
    'SSH-2.0-OpenSSH_9.6\r\n',
    '\x16',
    'GET\r\n\r\n',
    `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
  ]) {
    await send(port, noise)
  }
  t.same(log, [])
})
