import type { FastifyError, FastifyInstance } from 'fastify'
import { ProtocolError } from '../kosync/protocol-error.ts'
import type { LogRequest } from '../log.ts'

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

declare module 'fastify' {
  interface FastifyRequest {
    note: RequestNote | null
  }
}

/** Why the request was refused, for whoever runs the server: what the client is told is the same for many reasons. */
export function reasonOf(error: unknown): string {
  const { message, validation } = error as FastifyError
  if (error instanceof ProtocolError) return error.reason ?? message
  const [first] = validation ?? []
  if (!first) return message
  const { instancePath, params } = first
  const missing = params['missingProperty']
  if (typeof missing === 'string') return `${missing} is missing`
  return instancePath === ''
    ? 'there is no body'
    : `${instancePath.slice(1).replace('*', 'document')} is not as it should be`
}

/** Why there is nothing at the path: mostly the address that somebody typed has a base path too many, or none. */
export function reasonOfNotFound(path: string, basePath: string): string {
  if (basePath !== '' && !path.startsWith(`${basePath}/`)) return `the base path is ${basePath}`
  const [, prefix] = /^(\/.*)\/(users\/(create|auth|password|me)|syncs\/progress|healthcheck)(\/|$)/.exec(path) ?? []
  if (prefix === undefined) return 'there is no such path'
  return basePath === '' ? `there is no base path, and the address has ${prefix}` : `the base path is ${basePath} alone`
}

/** Logs each request when it is answered. */
export function logEach(app: FastifyInstance, logRequest: LogRequest): void {
  app.addHook('onResponse', (request, reply, done) => {
    const { id, method, originalUrl: url, account, ip, note, routeOptions } = request
    const query = url.indexOf('?')
    const path = query === -1 ? url : url.slice(0, query)
    const ms = Math.round(reply.elapsedTime * 10) / 10
    const user = account?.username ?? note?.user ?? ''
    const line = { id, method, path, status: reply.statusCode, ms, ip, ...note, user }
    logRequest(line, routeOptions.url?.endsWith('/healthcheck') ?? false)
    done()
  })
}
