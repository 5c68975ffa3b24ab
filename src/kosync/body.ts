import { isUtf8 } from 'node:buffer'
import type { FastifyInstance } from 'fastify'
import { ProtocolError } from './protocol-error.ts'

/**
 * Every body is a JSON object, whatever its Content-Type says; `__proto__` and `constructor.prototype` are refused.
 * @see PROTOCOL.md §1, and §2 for the codes 103 and 104
 */
export function acceptJsonOfAnyType(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    void parseJson(request, decode(body), (error, value: unknown) => {
      if (error) done(new ProtocolError('notJson'))
      else if (typeof value !== 'object' || value === null || Array.isArray(value))
        done(new ProtocolError('notAnObject'))
      else done(null, value)
    })
  })
}

/** An empty string, which is no JSON either, for bytes that are not UTF-8. */
function decode(body: Buffer): string {
  return isUtf8(body) ? body.toString() : ''
}
