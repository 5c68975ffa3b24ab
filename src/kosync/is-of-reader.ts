import type { FastifyRequest } from 'fastify'
import { vendorMediaType } from './protocol.ts'

/** Whether the request says that a reader sent it: browsers never do. */
export function isOfReader({ headers }: FastifyRequest): boolean {
  return headers['x-auth-user'] !== undefined || headers.accept?.includes(vendorMediaType) === true
}
