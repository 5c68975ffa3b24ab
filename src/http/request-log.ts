import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { forwardedAddress } from '../client-address.ts'
import type { AnswerBadUrl } from '../kosync/context.ts'
import type { OnRawAnswer } from '../kosync/errors.ts'
import { prefixOf } from '../kosync/request-url.ts'
import type { LogRequest, RequestLine } from '../log.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** performance.now() when it came. */
    start?: number
  }
}

/** Why nothing is at the path. Mostly the typed address has a base path that the server lacks, or the other way round. */
export function reasonOfNotFound(path: string, basePath: string): string {
  if (basePath !== '' && !path.startsWith(`${basePath}/`)) return `the base path is ${basePath}`
  const prefix = prefixOf(path)
  if (prefix === undefined) return 'there is no such path'
  return basePath === '' ? `there is no base path, and the address has ${prefix}` : `the base path is ${basePath} alone`
}

/** Logs each request when its answer is sent, whichever part answers; `listen` is told of it too. */
export function logEach(
  app: FastifyInstance,
  logRequest: LogRequest,
  listen?: (request: FastifyRequest) => void,
): void {
  app.decorateRequest('start')
  app.addHook('onRequest', (request, _reply, done) => {
    request.start = performance.now()
    done()
  })
  app.addHook('onSend', (request, reply, payload, done) => {
    const line = lineOf(request, reply)
    // A load balancer asks every second, and the log says why it is not ready.
    if (isAt(request, line.path, '/readiness')) return done(null, payload)
    logRequest(line, isAt(request, line.path, '/healthcheck'))
    listen?.(request)
    done(null, payload)
  })
}

/** Whether the request is for that route, and not for a document of that name. The path first: routeOptions makes an object. */
function isAt(request: FastifyRequest, path: string, route: string): boolean {
  return path.includes(route) && request.routeOptions.url?.endsWith(route) === true
}

/** Logs the requests whose URL cannot be decoded: no hook sees them, and Fastify does not look for a proxy's header in them. */
export function logBadUrls(
  answer: AnswerBadUrl,
  logRequest: LogRequest,
  isTrusted: (address: string) => boolean,
): AnswerBadUrl {
  return (error, request, reply) => {
    answer(error, request, reply)
    logRequest({ ...lineOf(request, reply), ip: forwardedAddress(request.raw, isTrusted) }, false)
  }
}

/**
 * Logs answers to connections without a request, as to one that does not speak HTTP: there is no method and no path.
 * `onRefused` is called with the address of a connection over the limit.
 */
export function logRaw(logRequest: LogRequest, onRefused: (address: string) => void): OnRawAnswer {
  return (socket, status, reason) => {
    const { remoteAddress: ip = '', bytesRead } = socket as Socket
    // A browser opens connections that it may need, and sends nothing.
    if (status === 408 && bytesRead === 0) return
    // 429 without a request is always the limit of connections.
    if (status === 429) onRefused(ip)
    logRequest({ id: '-', method: '-', path: '-', status, ms: 0, ip, user: '', reason }, false)
  }
}

function lineOf(request: FastifyRequest, reply: FastifyReply): RequestLine {
  const { id, method, originalUrl: url, account, ip, note, start } = request
  const query = url.indexOf('?')
  const path = query === -1 ? url : url.slice(0, query)
  // No hook sees the start of a request whose method Fastify does not know.
  const ms = start === undefined ? 0 : Math.round((performance.now() - start) * 10) / 10
  const user = account?.username ?? note?.user ?? ''
  const line: RequestLine = { id, method, path, status: reply.statusCode, ms, ip, user }
  return note ? Object.assign(line, note, { user }) : line
}
