import type { FastifyPluginAsync } from 'fastify'
import { stateReply } from './protocol.ts'

/** GET /healthcheck: the process answers. */
export const healthcheck: FastifyPluginAsync = async (app) => {
  app.get('/healthcheck', { schema: { response: { 200: stateReply } } }, async () => ({ state: 'OK' }))
}
