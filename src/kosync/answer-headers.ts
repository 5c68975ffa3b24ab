import type { FastifyInstance, FastifyReply, FastifyRequest, onSendHookHandler } from 'fastify'
import { createCors } from './cors.ts'
import { commonHeaders } from './errors.ts'

/** Keep-Alive tells a proxy when a connection that it does not use will be closed, with some seconds to spare. */
const ownHeaders = { ...commonHeaders, 'keep-alive': 'timeout=10' }

export type AddHeaders = (request: FastifyRequest, reply: FastifyReply) => FastifyReply

/** Adds what every answer carries, for pages of these origins. */
export function createAddHeaders(corsOrigins: string[]): AddHeaders {
  const corsHeaders = createCors(corsOrigins)
  return (request, reply) => reply.headers(ownHeaders).headers(corsHeaders(request.headers.origin))
}

/** Before all other hooks, so that what they answer has these headers too. */
export function setHeaders(app: FastifyInstance, add: AddHeaders): void {
  app.addHook('onRequest', (request, reply, done) => {
    add(request, reply)
    done()
  })
}

/** An onSend hook: Fastify appends `; charset=utf-8`, and several KOReader releases cannot read that. @see PROTOCOL.md §2 */
export const sendExactJson: onSendHookHandler = (_request, reply, payload, done) => {
  if (reply.getHeader('content-type') !== undefined) reply.header('content-type', 'application/json')
  done(null, payload)
}
