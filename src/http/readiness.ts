import type { FastifyPluginAsync } from 'fastify'
import { commonHeaders } from '../kosync/errors.ts'

/** Why a server is not ready: it will stop, or its store cannot take a push. */
export type Unready = 'stopping' | 'storage'

export interface ReadinessOptions {
  /** Undefined when the server is ready. Called for each request, so it must not do I/O. */
  findUnready: () => Unready | undefined
}

const ready = { type: 'boolean' } as const

/** GET /readiness: whether a load balancer may send requests here. No part of the wire: readers do not ask. */
export const readiness: FastifyPluginAsync<ReadinessOptions> = async (app, { findUnready }) => {
  const response = {
    200: { type: 'object', required: ['ready'], properties: { ready } },
    503: {
      type: 'object',
      required: ['ready', 'reason'],
      properties: { ready, reason: { type: 'string', enum: ['stopping', 'storage'] } },
    },
  }
  app.get('/readiness', { schema: { response } }, async (_request, reply) => {
    const reason = findUnready()
    reply.headers(commonHeaders).code(reason === undefined ? 200 : 503)
    return reason === undefined ? { ready: true } : { ready: false, reason }
  })
}
