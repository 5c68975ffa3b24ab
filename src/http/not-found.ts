import type { FastifyPluginAsync } from 'fastify'
import { frontPage } from './front-page.ts'
import { reasonOfNotFound } from './request-log.ts'
import { setUpContext, type ContextOptions } from '../kosync/context.ts'
import { ProtocolError } from '../kosync/protocol-error.ts'

export interface NotFoundOptions extends ContextOptions {
  /** Where the wire is, as `/kosync`; empty for the root. */
  basePath: string
}

/** The paths that no part has: the 404 of the wire, and the front page for a browser. Fastify has one 404 per prefix. */
export const notFound: FastifyPluginAsync<NotFoundOptions> = async (app, { basePath, ...context }) => {
  setUpContext(app, context)
  // So that no body is read: nonsense sent to a wrong path is a 404 too.
  app.removeAllContentTypeParsers()
  app.setNotFoundHandler(({ url }) => {
    throw new ProtocolError('notFound', undefined, reasonOfNotFound(url.split('?', 1)[0]!, basePath))
  })
  app.register(frontPage, { basePath })
  if (basePath !== '') app.register(frontPage, { basePath: '', prefix: basePath })
}
