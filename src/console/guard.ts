import { createHash, timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { addressList } from '../client-address.ts'
import { html, name } from './page.ts'
import { Refusal } from './refusal.ts'

/** The origin of a request. */
export interface Source {
  /** The Host with the port; behind a trusted proxy, the forwarded one. */
  host: string
  isHttps: boolean
  isFromProxy: boolean
}

/** Reads the origin of requests. X-Forwarded-Host and X-Forwarded-Proto count if a trusted proxy sent them. */
export function createSource(trustedProxies: string[]): (request: FastifyRequest) => Source {
  const isTrusted = addressList(trustedProxies)
  return ({ raw: { headers, socket } }) => {
    const isFromProxy = isTrusted(String(socket.remoteAddress))
    const forwarded = (header: string): string | undefined =>
      isFromProxy ? headers[header]?.toString().split(',', 1)[0]!.trim() : undefined
    return {
      host: forwarded('x-forwarded-host') ?? headers.host ?? '',
      isHttps: forwarded('x-forwarded-proto') === 'https' || 'encrypted' in socket,
      isFromProxy,
    }
  }
}

/**
 * Refuses a name that a stranger may own: a page of the stranger's could have its name point to this server (DNS
 * rebinding), and its scripts would be those of the console to a browser.
 */
export function checkHost({ host, isFromProxy }: Source, hosts: string[]): void {
  if (isFromProxy) return
  const hostname = hostnameOf(host)
  if (hostname !== undefined && (isOwn(hostname) || hosts.includes(hostname))) return
  const setting = html`<code>KSS_CONSOLE_HOSTS=${hostname ?? 'the name'}</code>`
  throw new Refusal(
    403,
    'This name is not known here',
    html`The browser asked for ${name(host)}. If that is a name of this server, whoever runs it has to start kss with
      ${setting}; behind a reverse proxy, with <code>KSS_TRUSTED_PROXIES</code> and the address of the proxy. Readers
      sync all the same.`,
    'the name is not in KSS_CONSOLE_HOSTS',
  )
}

/** The host in lower case, without port and IPv6 brackets; undefined if there is none. */
export function hostnameOf(host: string): string | undefined {
  const [, address, hostname] = /^(?:\[([\da-f:.]+)\]|([\w.-]+))(?::\d{1,5})?$/i.exec(host) ?? []
  return (address ?? hostname)?.toLowerCase()
}

/** Addresses, and names that are valid only inside a network: no stranger can point them here. */
function isOwn(hostname: string): boolean {
  return isIP(hostname) !== 0 || !hostname.includes('.') || hostname.endsWith('.local')
}

/** Refuses a form of another site, by the Origin and Sec-Fetch-Site that browsers send. */
export function checkOrigin({ headers }: FastifyRequest, { host }: Source): void {
  const { 'sec-fetch-site': site, origin } = headers
  const isSame =
    site === undefined ? origin !== undefined && hostOf(origin) === host.toLowerCase() : site === 'same-origin'
  if (isSame) return
  throw new Refusal(
    403,
    'This came from another page',
    html`Nothing was done: the browser says that the form was not on a page of ${name(host)}. Open that page, and use
      the form there. Behind a reverse proxy, let it pass on the Host header, and start kss with
      <code>KSS_TRUSTED_PROXIES</code>.`,
    'the form is of another origin',
  )
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined
}

/** The token in each form: it proves that the sender has read a page of this session, or of this browser before the log-in. */
export function tokenOf(secret: string): string {
  return createHash('sha256').update(`token ${secret}`).digest('base64url')
}

/** Refuses a form without the token of the session. */
export function checkToken(form: URLSearchParams, token: string | undefined): void {
  const given = Buffer.from(form.get('token') ?? '')
  const expected = Buffer.from(token ?? '')
  if (token !== undefined && given.length === expected.length && timingSafeEqual(given, expected)) return
  throw new Refusal(
    403,
    'This form is not valid any more',
    token === undefined
      ? 'Nothing was done: the browser sent no cookie. Allow cookies for this address, open the page again, and use the form there.'
      : 'Nothing was done: it is of an earlier visit. Open the page again, and use the form there.',
    'the form has no valid token',
  )
}
