import { networkInterfaces } from 'node:os'
import { stdout } from 'node:process'
import type { FastifyBaseLogger } from 'fastify'
import { isLoopback } from '../client-address.ts'
import type { Config } from '../config.ts'
import { hasTls } from '../tls-settings.ts'
import { readVersion } from '../version.ts'
import type { CommandLine } from '../command-line.ts'

/** Users that a start counts at most, because counting more would take long. */
export const mostCounted = 10_000

/** What the announcement of a start reports. */
export interface Announced {
  /** Where the accounts are: `dir` or `store`. */
  place: Record<string, string>
  /** Number of users; above `mostCounted`, at least that number. */
  users: number
  /** Whether anybody can sign up. */
  isOpen: boolean
  kss: CommandLine
}

/** Tells a person at a terminal what to type on the reader; elsewhere the same facts are one log line. */
export function announce(config: Config, { place, users, isOpen, kss }: Announced, logger: FastifyBaseLogger): void {
  const addresses = serverAddresses(config)
  const version = readVersion()
  if (!stdout.isTTY) {
    const registration = isOpen ? 'open' : 'closed'
    const counted = users > mostCounted ? `more than ${mostCounted}` : users
    logger.info({ version, pid: process.pid, addresses, ...place, users: counted, registration }, 'listening')
    return
  }
  const registration = isOpen
    ? `open; once all have signed up, close it: ${kss('registration close')}`
    : `closed; to let somebody in: ${kss('invite NAME')}`
  stdout.write(`kss ${version} is running. Stop it with Ctrl+C.

${isThisMachine(config.KSS_HOST) ? unreachable(config) : whatToType(addresses)}
${'dir' in place ? 'Data folder:   ' : 'Data store:    '}${Object.values(place).join('')} (${countOf(users)})
Registration:  ${registration}

`)
}

function countOf(users: number): string {
  if (users > mostCounted) return `more than ${mostCounted.toLocaleString('en')} users`
  return users === 1 ? '1 user' : `${users} users`
}

function whatToType(addresses: string[]): string {
  return `On the reader, under Progress sync > Custom sync server, type:\n${addresses.map((address) => `  ${address}\n`).join('')}`
}

function unreachable({ KSS_HOST: host, KSS_PORT: port }: Config): string {
  return `No reader can reach it: ${host} is for programs on this machine only. Start it with --host 0.0.0.0,
or let a reverse proxy on this machine pass requests on to port ${port}, and type the proxy's address on the reader.
`
}

function isThisMachine(host: string): boolean {
  return host === 'localhost' || isLoopback(host)
}

/** The server addresses for readers in the same network, with the base path. */
export function serverAddresses(config: Config): string[] {
  const { KSS_HOST: host, KSS_PORT: port, KSS_TLS_PORT: tlsPort, KSS_BASE_PATH: basePath } = config
  const everywhere = host === '0.0.0.0' || host === '::'
  const hosts = everywhere ? lanAddresses() : [host.includes(':') ? `[${host}]` : host]
  const origins = hosts.map((name) => `${hasTls(config) ? 'https' : 'http'}://${name}:${tlsPort || port}`)
  const plain = tlsPort === 0 ? [] : hosts.map((name) => `http://${name}:${port}`)
  return [...origins, ...plain].map((origin) => `${origin}${basePath}`)
}

/** The addresses that others in the network have for this machine. */
export function lanAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  const lan = all.filter(({ family, internal }) => family === 'IPv4' && !internal).map(({ address }) => address)
  return lan.length > 0 ? lan : ['127.0.0.1']
}
