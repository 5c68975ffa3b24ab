import type { FromSchema } from 'json-schema-to-ts'

/** Where accounts and positions are kept other than in a folder: off by default. */
export const storeSettings = {
  KSS_STORE: {
    type: 'string',
    default: '',
    description: 'the address of a Redis like redis://localhost:6379/1, or nothing for files',
  },
  KSS_REDIS_PASSWORD_FILE: {
    type: 'string',
    default: '',
    description: 'a file whose first line is the password of the Redis of KSS_STORE',
  },
  KSS_REDIS_REPLICAS: {
    type: 'integer',
    minimum: 0,
    maximum: 100,
    default: 0,
    description: 'a whole number from 0 to 100, with KSS_STORE',
  },
} as const

type StoreSettings = Required<FromSchema<{ type: 'object'; properties: typeof storeSettings }>>

/** Throws what `bad` makes of the name of a setting that can't be. */
export function checkStore(
  { KSS_STORE: address, KSS_REDIS_PASSWORD_FILE: file, KSS_REDIS_REPLICAS: replicas }: StoreSettings,
  bad: (name: keyof typeof storeSettings) => Error,
): void {
  if (address === '') {
    if (file !== '') throw bad('KSS_REDIS_PASSWORD_FILE')
    if (replicas > 0) throw bad('KSS_REDIS_REPLICAS')
    return
  }
  if (!parseStore(address)) throw bad('KSS_STORE')
}

export interface StoreAddress {
  /** With the database; of the first server where there are many. */
  url: URL
  /** host:port of nodes of a cluster; none without one. */
  cluster: string[]
}

/** `redis://host:port/database`, or with hosts of a cluster, separated by commas; undefined for anything else. */
export function parseStore(address: string): StoreAddress | undefined {
  const [, scheme, login = '', list, path = ''] = /^(rediss?:\/\/)(.*@)?([^/@]+)(\/\d*)?$/s.exec(address) ?? []
  const hosts = list?.split(',') ?? []
  const urls = hosts
    .map((host) => `${scheme}${login}${host}${path}`)
    .filter((each) => URL.canParse(each) && new URL(each).hostname)
  if (hosts.length === 0 || urls.length < hosts.length) return undefined
  const url = new URL(urls[0]!)
  const isCluster = hosts.length > 1
  // A cluster has one database; without one it is the official server's.
  if (isCluster && !['', '/', '/0'].includes(path)) return undefined
  if (url.pathname.length < 2) url.pathname = isCluster ? '/0' : '/1'
  return { url, cluster: isCluster ? urls.map((each) => new URL(each).host) : [] }
}

/** The address as it may be shown. */
export function withoutPassword(address: string): string {
  return address.replace(/^(\w+:\/*)?.*@/s, '$1***@')
}
