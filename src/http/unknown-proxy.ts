import type { IncomingMessage } from 'node:http'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { addressList } from '../client-address.ts'

/**
 * Warns once of a proxy that is not trusted: all readers behind it are one address, and share its limits. `onRequest` is
 * told of each request of such a one.
 */
export function warnOfUnknownProxy(
  app: FastifyInstance,
  logger: FastifyBaseLogger,
  trustedProxies: string[],
  onRequest: (address: string) => void,
): void {
  const isTrusted = addressList(trustedProxies)
  let warned = false
  app.addHook('onRequest', ({ raw }, _reply, done) => {
    if (raw.headers['x-forwarded-for'] !== undefined) warn(raw)
    done()
  })
  const warn = ({ socket: { remoteAddress: address = '' } }: IncomingMessage): void => {
    if (isTrusted(address)) return
    onRequest(address)
    if (warned) return
    warned = true
    logger.warn(`${address} sends X-Forwarded-For. If it is your proxy, set KSS_TRUSTED_PROXIES=${address}`)
  }
}
