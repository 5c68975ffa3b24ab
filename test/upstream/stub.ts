import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import net, { type AddressInfo, type Server, type Socket } from 'node:net'
import type { Test } from 'tap'

export interface Stub {
  origin: string
  /** The requests so far. */
  seen: IncomingMessage[]
}

/** The address of a server that listens now; closed with the test, whatever is still open. */
export async function listen(t: Test, server: Server): Promise<string> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => sockets.add(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** An HTTP server that answers as it is told. */
export async function stub(
  t: Test,
  answer: (response: ServerResponse, request: IncomingMessage) => unknown,
): Promise<Stub> {
  const seen: IncomingMessage[] = []
  const server = http.createServer((request, response) => {
    seen.push(request)
    answer(response, request)
  })
  return { origin: await listen(t, server), seen }
}

/** An HTTP server that answers with JSON. */
export function stubJson(t: Test, body: unknown, status = 200): Promise<Stub> {
  return stub(t, (response) => response.writeHead(status).end(JSON.stringify(body)))
}

/** A server that does as it is told with each connection that sends something. */
export async function stubSocket(t: Test, answer: (socket: Socket) => unknown): Promise<Stub> {
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => answer(socket))
  })
  return { origin: await listen(t, server), seen: [] }
}
