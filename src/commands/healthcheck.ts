import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { get as getByTls } from 'node:https'
import { json } from 'node:stream/consumers'
import type { Config } from '../config.ts'
import { hasTls } from '../tls-settings.ts'

/** Milliseconds; a server that answers later is of no use to a reader. @see PROTOCOL.md §4 */
const patience = 4000

/** The address of the server that this configuration starts, as seen from its own machine. */
export function localAddress(config: Config): string {
  const { KSS_HOST: host, KSS_PORT: port, KSS_TLS_PORT: tlsPort, KSS_BASE_PATH: basePath } = config
  const local = { '0.0.0.0': '127.0.0.1', '::': '[::1]' }[host] ?? (host.includes(':') ? `[${host}]` : host)
  return `${hasTls(config) ? 'https' : 'http'}://${local}:${tlsPort || port}${basePath}`
}

/**
 * Why the server at the address (as typed on a reader, or of its /healthcheck) is not well; undefined when it is. This
 * machine's own server has a certificate for another name, or a self-signed one: `isOwn` takes any.
 */
export async function healthcheck(address: string, isOwn = false): Promise<string | undefined> {
  // `localhost:8080` is a URL too, of the scheme localhost.
  if (!/^https?:\/\//i.test(address)) return `${address} is no address of a server. Write it as http://localhost:8080`
  const url = address.endsWith('/healthcheck') ? address : `${address.replace(/\/+$/, '')}/healthcheck`
  try {
    const { status, state } = await ask(url, isOwn)
    return status === 200 && state === 'OK' ? undefined : `${url} answers ${status}, and not that it is well`
  } catch (error) {
    return `${url} does not answer: ${(error as Error).message}`
  }
}

async function ask(url: string, isOwn: boolean): Promise<{ status: number | undefined; state?: unknown }> {
  const options = { signal: AbortSignal.timeout(patience), agent: false } as const
  const request = /^https:/i.test(url) ? getByTls(url, { ...options, rejectUnauthorized: !isOwn }) : get(url, options)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const { statusCode: status } = response
  // A redirect is not followed, as KOReader follows none.
  if (status !== 200) {
    response.destroy()
    return { status }
  }
  return { status, state: ((await json(response)) as { state?: unknown }).state }
}
