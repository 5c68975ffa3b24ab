import { Ajv, type AnySchema } from 'ajv'
import fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyServerOptions,
} from 'fastify'
import type { AnswerBadUrl } from '../kosync/context.ts'
import { answerForNode, clientErrorName, type AnswerRaw } from '../kosync/errors.ts'
import { normalizeUrl } from '../kosync/request-url.ts'

export interface ServerOptions {
  logger: FastifyBaseLogger
  trustedProxies: string[]
  answerBadUrl: AnswerBadUrl
  answerRaw: AnswerRaw
}

type Compilers = Required<NonNullable<NonNullable<FastifyServerOptions['schemaController']>['compilersFactory']>>

/**
 * Milliseconds: to send a whole request, its headers, and without a byte in either direction: a client that waits
 * between two requests or does not read. The Host header is checked by the wire and not by Node, whose answer has no body.
 */
const transport = {
  requestTimeout: 10_000,
  connectionTimeout: 12_000,
  http: { headersTimeout: 10_000, connectionsCheckingInterval: 1000, requireHostHeader: false },
}

/** Bytes: many times what KOReader sends. */
export const bodyLimit = 16 * 1024

/** Fastify with the limits of the transport. What reaches no route, as bytes that are not HTTP, gets an error of the wire. */
export function createServer({ logger, trustedProxies, answerBadUrl, answerRaw }: ServerOptions): FastifyInstance {
  const app: FastifyInstance = fastify({
    // The logger of each request. With `loggerInstance` Fastify would listen for the end of each answer.
    childLoggerFactory: () => logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit,
    ...transport,
    trustProxy: trustedProxies.length > 0 && trustedProxies,
    rewriteUrl: ({ url }) => normalizeUrl(url!),
    schemaController: { compilersFactory: compilers },
    frameworkErrors: answerBadUrl,
    clientErrorHandler: (error, socket) => answerRaw(socket, clientErrorName(error)),
    return503OnClosing: false,
  })
  // connectionTimeout ends a connection without requests too; Node would set another timer before and after each.
  app.server.keepAliveTimeout = 0
  answerForNode(app.server, answerRaw)
  return app
}

/** Plain Ajv, which takes a body as it is, where Fastify's would change it to fit. One for all servers of a process. */
const ajv = new Ajv({ allErrors: true })

// Fastify calls it with the route's schema in an object, as its documentation says and its type does not.
const buildValidator = () => (route: { schema: AnySchema }) => ajv.compile(route.schema)

/** JSON.stringify, because replies are small: a serializer compiled for each would cost more at start than it ever saves. */
export const compilers: Compilers = {
  buildValidator: buildValidator as unknown as Compilers['buildValidator'],
  buildSerializer: () => () => JSON.stringify,
}
