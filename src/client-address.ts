import type { IncomingMessage } from 'node:http'
import { BlockList } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * What counts as one client: an IPv4 address, also when it comes as `::ffff:…`, or the /64 of an IPv6 address, which is
 * what one household gets. What is no address (from a trusted proxy's header) is taken as it is.
 */
export function clientOf(address: string): string {
  const bare = withoutPort(address)
  if (!ipaddr.isValid(bare)) return address
  const parsed = ipaddr.process(bare)
  if (parsed instanceof ipaddr.IPv4) return parsed.toString()
  return `${new ipaddr.IPv6([...parsed.parts.slice(0, 4), 0, 0, 0, 0]).toString()}/64`
}

/** Some proxies put the port of the client into X-Forwarded-For, which is another one with each connection. */
function withoutPort(address: string): string {
  return address.replace(/^\[(.*)\](?::\d+)?$/, '$1').replace(/^([\d.]+):\d+$/, '$1')
}

/** Whether it is this machine itself. */
export function isLoopback(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === 'loopback'
}

/** Whether an address is in the list of addresses and ranges (CIDR), as in KSS_TRUSTED_PROXIES. */
export function addressList(ranges: string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', bits] = range.split('/', 2)
    const version = ipaddr.parse(address).kind()
    list.addSubnet(address, bits === undefined ? (version === 'ipv4' ? 32 : 128) : Number(bits), version)
  }
  return (address) => {
    const bare = withoutPort(address)
    if (!ipaddr.isValid(bare)) return false
    const parsed = ipaddr.process(bare)
    return list.check(parsed.toString(), parsed.kind())
  }
}

/** The address of the client, as Fastify's `request.ip`: the last in X-Forwarded-For that is not a trusted proxy's. */
export function forwardedAddress(
  { headers, socket: { remoteAddress = '' } }: IncomingMessage,
  isTrusted: (address: string) => boolean,
): string {
  const forwarded = String(headers['x-forwarded-for'] ?? '').split(',')
  const addresses = [...forwarded.map((address) => address.trim()).filter(Boolean), remoteAddress]
  return addresses.findLast((address) => !isTrusted(address)) ?? addresses[0]!
}
