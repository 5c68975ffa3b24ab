import { Ajv, type AnySchema } from 'ajv'
import fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyPluginAsync,
  type FastifyRequest,
  type FastifyServerOptions,
} from 'fastify'
import { createAddHeaders, sendExactJson, setHeaders, type AddHeaders } from './kosync/answer-headers.ts'
import { answerInTime, patience } from './kosync/answer-in-time.ts'
import { Auth, type AuthOptions } from './kosync/auth.ts'
import { acceptJsonOfAnyType } from './kosync/body.ts'
import { answerForNode, clientErrorName, createAnswerRaw, replyWithError, type AnswerRaw } from './kosync/errors.ts'
import { ProtocolError } from './kosync/protocol-error.ts'
import { addressList } from './client-address.ts'
import { limitConnections } from './http/connection-limit.ts'
import { answerPreflight, createCors, isPreflight } from './kosync/cors.ts'
import { stopGracefully } from './http/graceful-stop.ts'
import { defaultLogN } from './accounts/key-hash.ts'
import type { LogRequest } from './log.ts'
import { limitPendingBodies } from './kosync/pending-bodies.ts'
import { logEach, reasonOfNotFound } from './http/request-log.ts'
import { normalizeUrl } from './kosync/request-url.ts'
import { frontPage } from './http/front-page.ts'
import { healthcheck } from './kosync/healthcheck.ts'
import { addOtherMethods } from './kosync/other-methods.ts'
import { syncs } from './kosync/syncs.ts'
import { users } from './kosync/users.ts'
import type { Store } from './store/store.ts'
import type { Upstream } from './upstream.ts'
import { logWrongProtocols } from './http/wrong-protocol.ts'

export interface AppOptions {
  store: Store
  logger: FastifyBaseLogger
  /** Told of each request when it is answered. */
  logRequest?: LogRequest
  /** Put before every path, as `/kosync`; empty for none. */
  basePath?: string
  disableRegistration?: boolean
  /** What guards the accounts; as the settings are by default, but without limits, if left out. */
  auth?: Omit<AuthOptions, 'upstream'>
  /** Another server, whose users and positions move here. */
  upstream?: Upstream | undefined
  /** How many connections one address may have open; 0 for any number. */
  connectionsPerAddress?: number
  /** Addresses (IP or CIDR) whose X-Forwarded-For is believed. */
  trustedProxies?: string[]
  /** Whose pages may read the answers; `*`, which is all, if left out. */
  corsOrigins?: string[]
  /** Milliseconds after which a change that the disk holds up is answered. */
  patience?: number
  /** Milliseconds since 1970. */
  now?: () => number
}

const defaultAuth = { hashKeys: true, scryptCost: defaultLogN, loginFailuresPerMinute: 0, registrationsPerHour: 0 }

type Compilers = Required<NonNullable<NonNullable<FastifyServerOptions['schemaController']>['compilersFactory']>>

/**
 * Milliseconds: to send a whole request, its headers, and without a byte in either direction: a client that waits
 * between two requests or does not read. The Host header is checked here and not by Node, whose answer has no body.
 */
const transport = {
  requestTimeout: 10_000,
  connectionTimeout: 12_000,
  http: { headersTimeout: 10_000, connectionsCheckingInterval: 1000, requireHostHeader: false },
}

/** Bytes: many times what KOReader sends. */
const bodyLimit = 16 * 1024

/** The whole server, not listening: what it does is what `store` and the wire agree on. */
export function createApp(options: AppOptions): FastifyInstance {
  const { logger, basePath = '', trustedProxies = [], corsOrigins = ['*'] } = options
  const answerRaw = createAnswerRaw(createCors(corsOrigins)())
  const app = createServer({ ...options, trustedProxies }, createAddHeaders(corsOrigins), answerRaw)
  app.decorateRequest('account', null)
  app.decorateRequest('note', null)
  stopGracefully(app)
  answerForNode(app.server, answerRaw)
  logWrongProtocols(app.server, logger)
  limitConnections(app, options.connectionsPerAddress ?? 0, trustedProxies, answerRaw)
  limitPendingBodies(app)
  const warnOfProxy = warnOnceOfProxy(logger, trustedProxies)
  // Before the body is read, so that nonsense sent to a wrong path is a 404 too.
  app.addHook('onRequest', (request, reply, done) => {
    const { host, 'x-forwarded-for': forwarded } = request.headers
    if (forwarded !== undefined) warnOfProxy(request)
    // RFC 9112 §3.2
    if (host === undefined && request.raw.httpVersion === '1.1') done(new ProtocolError('badRequest'))
    else if (isPreflight(request)) answerPreflight(request, reply)
    else done(request.is404 ? notFound(request, basePath) : undefined)
  })
  acceptJsonOfAnyType(app)
  if (options.logRequest) logEach(app, options.logRequest)
  app.register(protocol, { ...options, prefix: basePath })
  app.register(frontPage, { basePath })
  if (basePath !== '') app.register(frontPage, { basePath: '', prefix: basePath })
  return app
}

function notFound({ url }: FastifyRequest, basePath: string): ProtocolError {
  return new ProtocolError('notFound', undefined, reasonOfNotFound(url.split('?', 1)[0]!, basePath))
}

/** Fastify as the wire needs it: its limits, its errors, and the headers of each answer. */
function createServer(
  { logger, trustedProxies }: Required<Pick<AppOptions, 'logger' | 'trustedProxies'>>,
  addHeaders: AddHeaders,
  answerRaw: AnswerRaw,
): FastifyInstance {
  const app: FastifyInstance = fastify({
    loggerInstance: logger,
    childLoggerFactory: (parent) => parent,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit,
    ...transport,
    trustProxy: trustedProxies.length > 0 && trustedProxies,
    rewriteUrl: ({ url }) => normalizeUrl(url!),
    schemaController: { compilersFactory: compilers() },
    // No hook sees a URL that cannot be decoded.
    frameworkErrors: (error, request, reply) => {
      addHeaders(request, reply)
      if (isPreflight(request)) answerPreflight(request, reply)
      else replyWithError(error, request, reply)
    },
    clientErrorHandler: (error, socket) => answerRaw(socket, clientErrorName(error)),
    return503OnClosing: false,
  })
  // connectionTimeout ends a connection without requests too; Node would set another timer before and after each.
  app.server.keepAliveTimeout = 0
  setHeaders(app, addHeaders)
  // With the headers, because no hook sees a method of RTSP.
  app.setErrorHandler((error, request, reply) => replyWithError(error, request, addHeaders(request, reply)))
  return app
}

/** Once: without that setting all readers behind a proxy are one address, and share its limits. */
function warnOnceOfProxy(logger: FastifyBaseLogger, trustedProxies: string[]): (request: FastifyRequest) => void {
  const isTrusted = addressList(trustedProxies)
  let warned = false
  return ({ socket: { remoteAddress = '' } }) => {
    if (warned || isTrusted(remoteAddress)) return
    warned = true
    logger.warn(`${remoteAddress} sends X-Forwarded-For. If it is your proxy, set KSS_TRUSTED_PROXIES=${remoteAddress}`)
  }
}

const protocol: FastifyPluginAsync<AppOptions> = async (app, options) => {
  const { store, logger, upstream, disableRegistration = false, now = Date.now } = options
  const auth = new Auth(store, logger, { ...(options.auth ?? defaultAuth), upstream })
  app.addHook('onSend', sendExactJson)
  answerInTime(app, options.patience ?? patience)
  app.register(healthcheck)
  app.register(users, { store, auth, disableRegistration, now })
  app.register(syncs, { store, auth, upstream, now })
  addOtherMethods(app, '/healthcheck', ['GET', 'HEAD'])
  addOtherMethods(app, '/users/create', ['POST'])
  addOtherMethods(app, '/users/auth', ['GET', 'HEAD'])
  addOtherMethods(app, '/users/password', ['PUT'])
  addOtherMethods(app, '/users/me', ['DELETE'])
  addOtherMethods(app, '/syncs/progress', ['PUT'])
  addOtherMethods(app, '/syncs/progress/*', ['GET', 'HEAD'])
}

/**
 * Plain Ajv, which takes a body as it is, where Fastify's would change it to fit; and JSON.stringify, because replies
 * are small: a serializer compiled for each would cost more at start than it ever saves.
 */
function compilers(): Compilers {
  const ajv = new Ajv({ allErrors: true })
  // Fastify calls it with the route's schema in an object, as its documentation says and its type does not.
  const buildValidator = () => (route: { schema: AnySchema }) => ajv.compile(route.schema)
  return {
    buildValidator: buildValidator as unknown as Compilers['buildValidator'],
    buildSerializer: () => () => JSON.stringify,
  }
}
