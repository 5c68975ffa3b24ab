import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { acceptsPage } from './front-page.ts'
import { notFoundAt } from './not-found.ts'
import { setUpContext, type ContextOptions } from '../kosync/context.ts'
import { isOfReader } from '../kosync/is-of-reader.ts'
import { prefixOf } from '../kosync/request-url.ts'

export interface PagesOptions extends ContextOptions {
  /** Where the wire is, as `/kosync`; empty for the root. */
  basePath: string
  /** Behind the base path. */
  paths: string[]
  /** Answers a browser, before its body is read. */
  showPage: (request: FastifyRequest, reply: FastifyReply) => Promise<void>
}

/** The paths of the console. A reader whose address has one, as of a person who copied it from a browser, gets the 404 of the wire. */
export const pages: FastifyPluginAsync<PagesOptions> = async (app, { basePath, paths, showPage, ...context }) => {
  app.addHook('onRequest', async (request, reply) => {
    if (!isForWire(request)) await showPage(request, reply)
  })
  setUpContext(app, context)
  app.addHook('onRequest', async ({ url }) => {
    throw notFoundAt(url, basePath)
  })
  for (const url of paths) app.route({ method: ['GET', 'POST'], url, handler: answered })
}

function isForWire(request: FastifyRequest): boolean {
  if (isOfReader(request)) return true
  // A book may have the id `healthcheck`.
  return !acceptsPage(request) && prefixOf(request.url.split('?', 1)[0]!) !== undefined
}

/* c8 ignore next 2 -- the hooks have answered */
/** By the hooks. */
function answered(): void {}
