import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { ProtocolError } from './errors.ts'

/** Milliseconds that what is in flight gets; then its connections are cut. */
const patience = 5000

/** Seconds after which a client may ask again: a restart takes less. */
const retryAfter = '10'

/**
 * Makes app.close() stop taking connections, finish what is in flight and cut all others: to Node a connection that
 * never said anything is not idle, and would hold up the stop. A request that still comes in gets 503.
 */
export function stopGracefully(app: FastifyInstance): void {
  let inFlight = 0
  let stopping = false
  let finished: (() => void) | undefined

  app.addHook('onRequest', async (_request, reply) => {
    inFlight += 1
    // Unlike onResponse, this is also told of clients that hang up.
    reply.raw.once('close', () => {
      inFlight -= 1
      if (inFlight === 0) finished?.()
    })
    if (!stopping) return
    reply.header('retry-after', retryAfter)
    throw new ProtocolError('unavailable')
  })
  app.addHook('preClose', async () => {
    stopping = true
    app.server.close()
    const settled = new Promise<void>((resolve) => (finished = resolve))
    if (inFlight > 0) await Promise.race([settled, sleep(patience, undefined, { ref: false })])
    app.server.closeAllConnections()
  })
}
