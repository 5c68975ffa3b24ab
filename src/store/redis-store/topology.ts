import type { Reply } from './engine-node.ts'

/** Slots, by the Redis Cluster specification. */
export const slotCount = 16_384

/** host:port of the master of each slot; one master without a cluster. */
export type Masters = (string | undefined)[]

/** The slot of a key: CRC-16 (XMODEM) of its hash tag, or of the whole key. */
export function slotOf(key: string): number {
  const tag = /\{([^}]+)\}/.exec(key.slice(key.indexOf('{')))
  const isTagged = key.includes('{') && key.indexOf('}', key.indexOf('{')) > key.indexOf('{') + 1
  let sum = 0
  for (const byte of Buffer.from(isTagged ? tag![1]! : key)) {
    sum ^= byte << 8
    for (let bit = 0; bit < 8; bit++) sum = (sum & 0x8000 ? (sum << 1) ^ 0x1021 : sum << 1) & 0xffff
  }
  return sum % slotCount
}

/** Parses the reply of CLUSTER SLOTS. A node that does not know its own address has the one that was asked. */
export function toMasters(reply: Reply, asked: string): Masters {
  const masters: Masters = Array.from({ length: slotCount })
  for (const [first, last, [host, port]] of reply as [number, number, [string | null, number]][]) {
    masters.fill(host ? toAddress(host, port) : asked, first, last + 1)
  }
  return masters
}

export function toAddress(host: string, port: string | number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
