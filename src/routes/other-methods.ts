import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ProtocolError } from '../errors.ts'

/** What a page of another origin may send: Readest's web app calls servers on the LAN. @see PROTOCOL.md §4 */
const corsHeaders = 'x-auth-user, x-auth-key, authorization, content-type'

/** Answers the methods a path does not have with 405, and the browser's preflight for those that it has. */
export function addOtherMethods(app: FastifyInstance, url: string, methods: string[]): void {
  const allow = [...methods, 'OPTIONS'].join(', ')
  const refuse = async (_request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    reply.header('allow', allow)
    throw new ProtocolError('methodNotAllowed')
  }
  const others = app.supportedMethods.filter((method) => !methods.includes(method) && method !== 'OPTIONS')
  app.route({ method: others, url, onRequest: refuse, handler: refuse })

  const preflight = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    reply.headers({ allow, 'access-control-allow-methods': allow, 'access-control-allow-headers': corsHeaders })
    reply.header('access-control-max-age', '86400')
    // Chromium asks before a public page may call an address on the LAN.
    if (request.headers['access-control-request-private-network']) {
      reply.header('access-control-allow-private-network', 'true')
    }
    await reply.code(204).send()
  }
  app.route({ method: 'OPTIONS', url, onRequest: preflight, handler: preflight })
}

/** An onRequest hook: any page may read the answers; credentials are headers that it must know, never cookies. */
export function allowAnyOrigin(request: FastifyRequest, reply: FastifyReply, done: () => void): void {
  if (request.headers.origin !== undefined) reply.header('access-control-allow-origin', '*')
  done()
}
