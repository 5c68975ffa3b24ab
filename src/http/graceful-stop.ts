import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { ProtocolError } from '../kosync/protocol-error.ts'

/** Milliseconds that what is in flight gets; then its connections are cut. */
const patience = 5000

/** Seconds after which a client may ask again: a restart takes less. */
const retryAfter = 10

/**
 * Makes app.close() stop taking connections, finish what is in flight and cut all others: to Node a connection that
 * never said anything is not idle, and would hold up the stop. A request that still comes in gets 503.
 */
export function stopGracefully(app: FastifyInstance): void {
  /** Each open connection's newest response; the older ones are finished before it. */
  const responses = new Map<Socket, ServerResponse | undefined>()
  let stopping = false

  app.server.on('connection', (socket) => {
    responses.set(socket, undefined)
    socket.once('close', () => responses.delete(socket))
  })
  app.addHook('onRequest', (request, reply, done) => {
    const { socket } = request.raw
    // Not one of app.inject.
    if (responses.has(socket)) responses.set(socket, reply.raw)
    done(stopping ? new ProtocolError('unavailable', retryAfter) : undefined)
  })
  app.addHook('preClose', async () => {
    stopping = true
    app.server.close()
    const deadline = sleep(patience, undefined, { ref: false })
    for (const response of responses.values()) {
      if (response && !response.closed) await Promise.race([once(response, 'close'), deadline])
    }
    app.server.closeAllConnections()
  })
}
