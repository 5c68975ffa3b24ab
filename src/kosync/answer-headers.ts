import type { FastifyReply, FastifyRequest } from 'fastify'
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
