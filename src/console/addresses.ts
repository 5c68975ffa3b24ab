import { isLoopback } from '../client-address.ts'
import type { Visit } from './route.ts'

/** What readers can type, told from what the browser asked for; mostly one address. */
export function readerAddresses({ host, isHttps, base, ip, options }: Visit): string[] {
  const own = `${isHttps ? 'https' : 'http'}://${host}${base}`
  // On the machine itself the browser may say localhost, which is another machine to a reader.
  return isLoopback(ip) ? (options.addresses?.() ?? [own]) : [own]
}
