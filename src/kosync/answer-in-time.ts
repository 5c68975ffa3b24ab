import type { FastifyInstance } from 'fastify'
import { ProtocolError } from './protocol-error.ts'

/**
 * Milliseconds that a change may take once its request is read: a connection without a byte is cut after 12 seconds, and
 * then its client knows nothing. The rest is for a network and a proxy between them.
 */
export const patience = 8000

const changing = new Set(['POST', 'PUT', 'DELETE'])

/**
 * Answers 503 for a change that the disk holds up for longer. Nobody can take it back: it may be stored all the same,
 * as after an answer that is lost on its way.
 */
export function answerInTime(app: FastifyInstance, ms: number): void {
  app.addHook('preHandler', (request, reply, done) => {
    if (changing.has(request.method)) {
      const timer = setTimeout(() => {
        reply.send(new ProtocolError('unavailable', undefined, `the disk took over ${ms / 1000} seconds`))
        // What the handler says later is not for this client any more.
        reply.hijack()
      }, ms)
      reply.raw.once('close', () => clearTimeout(timer))
    }
    done()
  })
}
