import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { acceptJsonOfAnyType } from './body.ts'
import { answerPreflight, createCors, isPreflight } from './cors.ts'
import { commonHeaders, replyWithError } from './errors.ts'
import { ProtocolError } from './protocol-error.ts'
import type { ErrorName } from './protocol.ts'
import type { Account } from '../store/store.ts'

/** What the log says of a request besides. */
export interface RequestNote {
  /** The user name that was tried, where nobody is authorized. */
  user?: string
  /** Why it was refused. */
  reason?: string
  /** The beginning of the id of the document that was pushed. */
  document?: string
  /** The reader that pushed it. */
  device?: string
}

/** Why a request was refused. */
export interface Failure {
  name: ErrorName
  error: unknown
  /** For whoever runs the server. */
  reason: string
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The account that the credentials were verified for; null before that, and where no log-in is needed. */
    account: Account | null
    note: RequestNote | null
    failure: Failure | null
    /** performance.now() when the check of the credentials began; 0 where it took no time. */
    checkedSince: number
  }
}

export interface ContextOptions {
  /** Whose pages may read the answers; `*` for all. */
  corsOrigins: string[]
  /** Whether the server takes no requests any more. */
  isStopping: () => boolean
}

/** Keep-Alive tells a proxy when a connection that it does not use will be closed, with some seconds to spare. */
const ownHeaders = { ...commonHeaders, 'keep-alive': 'timeout=10' }

/** Seconds after which a client may ask again: a restart takes less. */
const retryAfter = 10

/**
 * Gives a Fastify instance, and nothing outside of it, what all answers of the protocol have in common: the parser, the
 * headers, the content type, the errors, preflights, the check of Host. @see PROTOCOL.md §2
 */
export function setUpContext(app: FastifyInstance, { corsOrigins, isStopping }: ContextOptions): void {
  const addHeaders = createAddHeaders(corsOrigins)
  app.decorateRequest('account', null)
  app.decorateRequest('note', null)
  app.decorateRequest('failure', null)
  app.decorateRequest('checkedSince', 0)
  acceptJsonOfAnyType(app)
  // With the headers, because no hook sees a method of RTSP.
  app.setErrorHandler((error, request, reply) => replyWithError(error, request, addHeaders(request, reply)))
  app.addHook('onRequest', (request, reply, done) => {
    const { headers, raw } = request
    addHeaders(request, reply)
    // A malformed Content-Type would be a 415 before any parser is asked.
    if (headers['content-type'] !== undefined) headers['content-type'] = undefined
    if (isStopping()) done(new ProtocolError('unavailable', retryAfter))
    // RFC 9112 §3.2
    else if (headers.host === undefined && raw.httpVersion === '1.1') done(new ProtocolError('badRequest'))
    else if (isPreflight(request)) answerPreflight(request, reply)
    else {
      // Without a serializer Fastify appends `; charset=utf-8`, and several KOReader releases cannot read that.
      reply.type('application/json').serializer(toText)
      done()
    }
  })
}

/** Answers a request that no context sees: its URL cannot be decoded. */
export type AnswerBadUrl = (error: Error, request: FastifyRequest, reply: FastifyReply) => void

export function createAnswerBadUrl(corsOrigins: string[]): AnswerBadUrl {
  const addHeaders = createAddHeaders(corsOrigins)
  return (error, request, reply) => {
    addHeaders(request, reply)
    if (isPreflight(request)) answerPreflight(request, reply)
    else replyWithError(error, request, reply)
  }
}

/** Adds what every answer carries, for pages of these origins. */
function createAddHeaders(corsOrigins: string[]): (request: FastifyRequest, reply: FastifyReply) => FastifyReply {
  const corsHeaders = createCors(corsOrigins)
  return (request, reply) => reply.headers(ownHeaders).headers(corsHeaders(request.headers.origin))
}

function toText(payload: unknown): string {
  return typeof payload === 'string' ? payload : JSON.stringify(payload)
}
