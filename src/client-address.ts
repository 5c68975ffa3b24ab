import { BlockList } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * What counts as one client: an IPv4 address, also when it comes as `::ffff:…`, or the /64 of an IPv6 address, which is
 * what one household gets. What is no address (from a trusted proxy's header) is taken as it is.
 */
export function clientOf(address: string): string {
  if (!ipaddr.isValid(address)) return address
  const parsed = ipaddr.process(address)
  if (parsed.kind() === 'ipv4') return parsed.toString()
  return `${parsed.toByteArray().slice(0, 8).join('.')}/64`
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
    if (!ipaddr.isValid(address)) return false
    const parsed = ipaddr.process(address)
    return list.check(parsed.toString(), parsed.kind())
  }
}
