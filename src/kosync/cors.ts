import type { FastifyReply, FastifyRequest } from 'fastify'

/** All methods of the protocol, whatever the path: a page must be able to read a 405 too. */
const methods = 'GET, HEAD, POST, PUT, DELETE'

/** What a client of the protocol sends; for a preflight that asks for no names, or for what are none. */
const usualNames = 'x-auth-user, x-auth-key, authorization, content-type'

/** Header names, separated by commas, and a limit for how much is sent back. RFC 9110 §5.6.2 */
const headerNames = /^[\w!#$%&'*+.^`|~-]+( *, *[\w!#$%&'*+.^`|~-]+)*$/
const maxNames = 1024

/**
 * The headers that let a page read an answer, by the origin that its request named: any page where the origins are
 * `*`, else those of these origins. Credentials are headers that a page must know, never cookies. @see PROTOCOL.md §2
 */
export function createCors(origins: string[]): (origin?: string) => Record<string, string> {
  const forAll = { 'access-control-allow-origin': '*' }
  if (origins.includes('*')) return () => forAll
  return (origin) => ({
    vary: 'Origin',
    ...(origin !== undefined && origins.includes(origin) && { 'access-control-allow-origin': origin }),
  })
}

/** Whether a browser asks if a page may send a request: not what the path is, which the request itself will tell. */
export function isPreflight({ method, headers }: FastifyRequest): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined
}

/** Allows what was asked for: proxies in front of the server may need headers of their own. */
export function answerPreflight({ headers }: FastifyRequest, reply: FastifyReply): void {
  const asked = headers['access-control-request-headers'] ?? ''
  reply.headers({
    'access-control-allow-methods': methods,
    'access-control-allow-headers': asked.length <= maxNames && headerNames.test(asked) ? asked : usualNames,
    'access-control-max-age': '86400',
    // Chromium asks before a public page may call an address on the LAN.
    ...(headers['access-control-request-private-network'] !== undefined && {
      'access-control-allow-private-network': 'true',
    }),
  })
  reply.code(204).send()
}
