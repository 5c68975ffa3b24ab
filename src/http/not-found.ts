import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { frontPage, wantsPage } from './front-page.ts'
import { reasonOfNotFound } from './request-log.ts'
import { setUpContext, type ContextOptions } from '../kosync/context.ts'
import { ProtocolError } from '../kosync/protocol-error.ts'

export interface NotFoundOptions extends ContextOptions {
  /** Where the wire is, as `/kosync`; empty for the root. */
  basePath: string
  /** Answers a browser, before its body is read; undefined where there is no console. */
  showPage: ((request: FastifyRequest, reply: FastifyReply) => Promise<void>) | undefined
}

/** The paths that no part has: the 404 of the wire, and for a browser a page of the console, or the front page without one. Fastify has one 404 per prefix. */
export const notFound: FastifyPluginAsync<NotFoundOptions> = async (app, { basePath, showPage, ...context }) => {
  setUpContext(app, context)
  // So that no body is read: nonsense sent to a wrong path is a 404 too.
  app.removeAllContentTypeParsers()
  app.setNotFoundHandler(({ url }) => {
    throw notFoundAt(url, basePath)
  })
  if (showPage) {
    app.addHook('onRequest', async (request, reply) => {
      if (wantsPage(request)) await showPage(request, reply)
    })
    return
  }
  app.register(frontPage, { basePath })
  if (basePath !== '') app.register(frontPage, { basePath: '', prefix: basePath })
}

/** The 404 of the wire, with its reason for the log. */
export function notFoundAt(url: string, basePath: string): ProtocolError {
  return new ProtocolError('notFound', undefined, reasonOfNotFound(url.split('?', 1)[0]!, basePath))
}
