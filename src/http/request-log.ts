import type { FastifyInstance } from 'fastify'
import type { LogRequest, RequestLine } from '../log.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** performance.now() when it came; undefined where requests are not logged. */
    start?: number
  }
}

/** Why there is nothing at the path: mostly the address that somebody typed has a base path too many, or none. */
export function reasonOfNotFound(path: string, basePath: string): string {
  if (basePath !== '' && !path.startsWith(`${basePath}/`)) return `the base path is ${basePath}`
  const [, prefix] = /^(\/.*)\/(users\/(create|auth|password|me)|syncs\/progress|healthcheck)(\/|$)/.exec(path) ?? []
  if (prefix === undefined) return 'there is no such path'
  return basePath === '' ? `there is no base path, and the address has ${prefix}` : `the base path is ${basePath} alone`
}

/** Logs each request when its answer is sent, whichever part answers. */
export function logEach(app: FastifyInstance, logRequest: LogRequest): void {
  app.decorateRequest('start')
  app.addHook('onRequest', (request, _reply, done) => {
    request.start = performance.now()
    done()
  })
  app.addHook('onSend', (request, reply, payload, done) => {
    const { id, method, originalUrl: url, account, ip, note, start } = request
    const query = url.indexOf('?')
    const path = query === -1 ? url : url.slice(0, query)
    // No hook sees the start of a request whose method Fastify does not know.
    const ms = start === undefined ? 0 : Math.round((performance.now() - start) * 10) / 10
    const user = account?.username ?? note?.user ?? ''
    const line: RequestLine = { id, method, path, status: reply.statusCode, ms, ip, user }
    if (note) Object.assign(line, note, { user })
    // The route tells a health check from a document of that name, and takes longer to find out.
    const isHealthcheck = path.includes('healthcheck') && request.routeOptions.url?.endsWith('/healthcheck') === true
    logRequest(line, isHealthcheck)
    done(null, payload)
  })
}
