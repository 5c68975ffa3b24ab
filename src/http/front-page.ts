import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { ProtocolError } from '../kosync/protocol-error.ts'

interface FrontPageOptions {
  /** The base path of the wire, as `/kosync`; empty when the wire is where this page is. */
  basePath: string
}

/** Whether a browser asks for a page. */
export function wantsPage(request: FastifyRequest): boolean {
  return (request.method === 'GET' || request.method === 'HEAD') && acceptsPage(request)
}

/** The same, also with a form. */
export function acceptsPage({ headers }: FastifyRequest): boolean {
  return headers.accept?.includes('text/html') === true
}

/** Without the console. GET /: one sentence for a browser, 404 as for every other path without a route for all other clients. */
export const frontPage: FastifyPluginAsync<FrontPageOptions> = async (app, { basePath }) => {
  const address = basePath === '' ? 'this address' : `this address with ${basePath} at its end`
  const text = `This is kss, a sync server for KOReader. On the reader, type ${address} under Progress sync > Custom sync server.\n`
  app.get('/', async (request, reply) => {
    if (!wantsPage(request)) throw new ProtocolError('notFound')
    return reply.type('text/plain; charset=utf-8').send(text)
  })
}
