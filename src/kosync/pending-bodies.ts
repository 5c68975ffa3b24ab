import type { FastifyRequest, preParsingHookHandler } from 'fastify'
import { clientOf } from '../client-address.ts'
import { ProtocolError } from './protocol-error.ts'
import type { ErrorName } from './protocol.ts'
import { isV1 } from './errors.ts'

/** Many times what a household registers at once. */
const maxPending = 20

/** Seconds: how long a body may take. */
const retryAfter = 10

/**
 * A preParsing hook for requests without a log-in, which are registrations. It limits how many of them may wait for their
 * body or for their answer after it came late, for one client. The next one is refused at once.
 */
export function createPendingBodies(): preParsingHookHandler {
  const pending = new Map<string, number>()
  return (request, { raw: response }, _payload, done) => {
    const { raw, ip } = request
    const check = (): void => {
      const client = clientOf(ip)
      const count = pending.get(client) ?? 0
      // A client that is gone waits for nothing.
      if (raw.complete || response.closed) done()
      else if (count >= maxPending) done(new ProtocolError(errorFor(request), retryAfter))
      else {
        pending.set(client, count + 1)
        const end = (): void => {
          response.off('close', end)
          raw.socket.off('close', end)
          const left = pending.get(client)! - 1
          if (left > 0) pending.set(client, left)
          else pending.delete(client)
        }
        response.once('close', end)
        // The answer to a request behind another one on its connection is not closed with that.
        raw.socket.once('close', end)
        done()
      }
    }
    // A body that came with the headers is whole only when Node has read on.
    setImmediate(check)
  }
}

/** As for every registration that a limit refuses. @see PROTOCOL.md §2, code 2007 */
function errorFor(request: FastifyRequest): ErrorName {
  return isV1(request) ? 'tooManyRegistrationsV1' : 'tooManyAttempts'
}
