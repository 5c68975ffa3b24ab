import type { Config } from '../config.ts'

/** Milliseconds; a server that answers later is of no use to a reader. @see PROTOCOL.md §4 */
const patience = 4000

/** The address of the server that this configuration starts, as seen from its own machine. */
export function localAddress({ KSS_HOST: host, KSS_PORT: port, KSS_BASE_PATH: basePath }: Config): string {
  const local = { '0.0.0.0': '127.0.0.1', '::': '[::1]' }[host] ?? (host.includes(':') ? `[${host}]` : host)
  return `http://${local}:${port}${basePath}`
}

/** Why the server at the address (as typed on a reader, or of its /healthcheck) is not well; undefined when it is. */
export async function healthcheck(address: string): Promise<string | undefined> {
  const url = address.endsWith('/healthcheck') ? address : `${address.replace(/\/+$/, '')}/healthcheck`
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(patience), redirect: 'error' })
    const { state } = (await response.json()) as { state?: unknown }
    return response.ok && state === 'OK' ? undefined : `${url} answers ${response.status}, and not that it is well`
  } catch (error) {
    const { message, cause } = error as Error
    return `${url} does not answer: ${cause instanceof Error ? cause.message : message}`
  }
}
