import fastify, { LogController, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { readAssets, type Assets } from './assets.ts'
import { enter } from './enter.ts'
import { checkHost, createSource } from './guard.ts'
import type { ConsoleOptions } from './options.ts'
import { html } from './page.ts'
import { asRefusal, Refusal } from './refusal.ts'
import type { Route } from './route.ts'
import { createSend, type Send } from './send.ts'
import { Sessions } from './sessions.ts'
import { logEach } from '../http/request-log.ts'
import { bodyLimit, compilers } from '../http/server.ts'
import { ProtocolError } from '../kosync/protocol-error.ts'

/** Headers of every answer. Referrers stay on within the console: without one, browsers send `Origin: null` with forms. */
const headers = {
  'content-security-policy':
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'cache-control': 'no-store',
}

/** Seconds until the backup before a change of format may be made. */
const heldFor = 30

/** The inner server: the common part of all pages. Each request goes through `enter`. */
export async function createFrame(options: ConsoleOptions, routes: Route[]): Promise<FastifyInstance> {
  const { logRequest, basePath, hosts, trustedProxies, isReady = () => true } = options
  const assets = await readAssets()
  const frame = createServer(options)
  const sourceOf = createSource(trustedProxies)
  const sessions = new Sessions(options)
  frame.decorateRequest('account', null)
  frame.decorateRequest('note', null)
  logEach(frame, logRequest)
  readForms(frame)
  const send = createSend(basePath, assets)
  frame.setErrorHandler((error, request, reply) => showError(error, request, reply, send))
  frame.addHook('onRequest', async (request, reply) => {
    reply.headers(headers)
    checkHost(sourceOf(request), hosts)
    if (!isReady()) throw held()
  })
  frame.setNotFoundHandler(() => {
    throw new Refusal(404, 'There is no such page', html`The pages of kss begin <a href="${basePath}/">here</a>.`)
  })
  const entrance = { options, sessions, sourceOf }
  addAssets(frame, basePath, assets)
  for (const route of routes) {
    frame.route({
      method: route.method,
      url: route.url === '/' ? basePath || '/' : `${basePath}${route.url}`,
      handler: async (request, reply) => {
        const { answer, navigation } = await enter(route, entrance, request, reply)
        return send(reply, answer, navigation)
      },
    })
  }
  return frame
}

function createServer({ logger, trustedProxies }: ConsoleOptions): FastifyInstance {
  let requests = 0
  return fastify({
    // The ids differ from those of the wire, which are in the same log.
    genReqId: () => `page-${(requests += 1).toString(36)}`,
    childLoggerFactory: () => logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit,
    // An id of 1,024 characters is in the path of its book's page.
    routerOptions: { maxParamLength: 8192 },
    trustProxy: trustedProxies.length > 0 && trustedProxies,
    schemaController: { compilersFactory: compilers },
  })
}

function showError(error: unknown, request: FastifyRequest, reply: FastifyReply, send: Send): FastifyReply {
  const { status, title, body, message: reason, retryAfter } = asRefusal(error)
  const isExpected = error instanceof Refusal || error instanceof ProtocolError
  if (status >= 500 && !isExpected) request.log.error({ err: error }, reason)
  request.note = { ...request.note, reason }
  return send(reply, { status, title, body, retryAfter })
}

function held(): Refusal {
  const why = 'kss makes a backup before it changes its files. Try again in a minute.'
  return new Refusal(503, 'Wait a moment', why, undefined, heldFor)
}

/** Parses forms; any other body is refused. */
function readForms(frame: FastifyInstance): void {
  frame.removeAllContentTypeParsers()
  frame.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => {
    done(null, new URLSearchParams(String(body)))
  })
}

function addAssets(frame: FastifyInstance, basePath: string, { files }: Assets): void {
  frame.get<{ Params: { name: string } }>(`${basePath}/assets/:name`, (request, reply) => {
    const found = files.get(request.params.name)
    if (!found) throw new Refusal(404, 'There is no such file', 'Open the page again.')
    return reply.header('cache-control', 'public, max-age=31536000, immutable').type(found.type).send(found.file)
  })
}
