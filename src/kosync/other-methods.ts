import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ProtocolError } from './protocol-error.ts'

/** Answers the methods that a path does not have with 405, and OPTIONS with those that it has. */
export function addOtherMethods(app: FastifyInstance, url: string, methods: string[]): void {
  const allow = [...methods, 'OPTIONS'].join(', ')
  const refuse = async (_request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    reply.header('allow', allow)
    throw new ProtocolError('methodNotAllowed')
  }
  const others = app.supportedMethods.filter((method) => !methods.includes(method) && method !== 'OPTIONS')
  app.route({ method: others, url, onRequest: refuse, handler: refuse })

  const tell = async (_request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    await reply.header('allow', allow).removeHeader('content-type').code(204).send()
  }
  app.route({ method: 'OPTIONS', url, onRequest: tell, handler: tell })
}
