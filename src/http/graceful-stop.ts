import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { TlsListener } from './tls-listener.ts'

/** Milliseconds that requests in flight get before their connections are cut. */
const patience = 5000

/**
 * Makes app.close() stop taking connections, finish what is in flight and cut all others: to Node a connection that
 * never said anything is not idle, and would hold up the stop. The returned function tells whether app.close() was called.
 */
export function stopGracefully(app: FastifyInstance, tls?: Pick<TlsListener, 'stop'>): () => boolean {
  /** Each open connection's newest response; the older ones are finished before it. */
  const responses = new Map<Socket, ServerResponse | undefined>()
  let stopping = false

  app.server.on('connection', (socket) => {
    responses.set(socket, undefined)
    socket.once('close', () => responses.delete(socket))
  })
  app.server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => responses.set(socket, response))
  app.addHook('preClose', async () => {
    stopping = true
    app.server.close()
    tls?.stop()
    const deadline = sleep(patience, undefined, { ref: false })
    for (const [socket, response] of responses) {
      // A response that waits for the one before it does not close with its connection.
      if (response && !response.closed) await Promise.race([closeOf(response), closeOf(socket), deadline])
    }
    app.server.closeAllConnections()
  })
  return () => stopping
}

/** Not `once`, which rejects where a connection ends with an error. */
function closeOf(stream: ServerResponse | Socket): Promise<void> {
  return new Promise((resolve) => stream.once('close', resolve))
}
