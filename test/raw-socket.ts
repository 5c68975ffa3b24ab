import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { build } from './helper.ts'

/** The app of `build`, on a free port. */
export async function listen(t: Test, options: Parameters<typeof build>[1] = {}): Promise<FastifyInstance> {
  const app = build(t, options)
  await app.listen({ host: '127.0.0.1', port: 0 })
  return app
}

/** Sends the bytes as they are and gives back all bytes until the server closes. */
export async function exchange(app: FastifyInstance, ...parts: (string | Buffer)[]): Promise<string> {
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  let reply = ''
  socket.setEncoding('latin1').on('data', (chunk) => (reply += String(chunk)))
  socket.on('error', () => undefined)
  socket.write(Buffer.concat(parts.map((part) => Buffer.from(part))))
  await once(socket, 'close')
  return reply
}

/** The parts of a request after which the server closes. */
export function request(line: string, headers: (string | Buffer)[], body = ''): (string | Buffer)[] {
  const lines = headers.flatMap((header) => [header, '\r\n'])
  const length = body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body)}\r\n`]
  return [`${line} HTTP/1.1\r\nHost: kss\r\nConnection: close\r\n`, ...lines, ...length, '\r\n', body]
}
