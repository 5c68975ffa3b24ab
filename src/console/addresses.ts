import { isLoopback } from '../client-address.ts'
import type { Visit } from './route.ts'

/** The addresses for readers to type, derived from the browser's request; usually one. */
export function readerAddresses({ host, isHttps, base, ip, options }: Visit): string[] {
  const own = `${isHttps ? 'https' : 'http'}://${host}${base}`
  // A browser on the server itself may use localhost, which no reader can reach.
  return isLoopback(ip) ? (options.addresses?.() ?? [own]) : [own]
}
