import type { FromSchema } from 'json-schema-to-ts'

/** Where accounts and positions are kept other than in a folder: off by default. */
export const storeSettings = {
  KSS_STORE: {
    type: 'string',
    default: '',
    description:
      'the address of a Redis like redis://localhost:6379/1, of nodes of a cluster like redis://a:7000,b:7000, of Sentinels like redis+sentinel://a:26379/mymaster, or nothing for files',
  },
  KSS_REDIS_PASSWORD_FILE: {
    type: 'string',
    default: '',
    description: 'a file whose first line is the password of the Redis of KSS_STORE',
  },
  KSS_REDIS_SENTINEL_PASSWORD_FILE: {
    type: 'string',
    default: '',
    description: 'a file whose first line is the password of the Sentinels of KSS_STORE',
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
export function checkStore(settings: StoreSettings, bad: (name: keyof typeof storeSettings) => Error): void {
  const { KSS_STORE: address, KSS_REDIS_REPLICAS: replicas } = settings
  const store = parseStore(address)
  if (address !== '' && !store) throw bad('KSS_STORE')
  if (!store && settings.KSS_REDIS_PASSWORD_FILE !== '') throw bad('KSS_REDIS_PASSWORD_FILE')
  if (!store && replicas > 0) throw bad('KSS_REDIS_REPLICAS')
  if (!store?.sentinels && settings.KSS_REDIS_SENTINEL_PASSWORD_FILE !== '') {
    throw bad('KSS_REDIS_SENTINEL_PASSWORD_FILE')
  }
}

export interface StoreAddress {
  /** With the database; of the first server where there are many. */
  url: URL
  /** host:port of nodes of a cluster; none without one. */
  cluster: string[]
  /** Where they are the ones that are named. */
  sentinels?: SentinelAddresses
}

/** Who knows which server is the master. */
export interface SentinelAddresses {
  /** host:port of each. */
  addresses: string[]
  /** What they call the master. */
  name: string
}

/** Where none is given. */
const ports = { server: 6379, sentinel: 26_379 }

/**
 * `redis://host:port/database`, or with nodes of a cluster, separated by commas, or `redis+sentinel://host:port/name/database`
 * with one or many Sentinels; `rediss` is TLS. Undefined for anything else.
 */
export function parseStore(address: string): StoreAddress | undefined {
  const parts = /^(rediss?)(\+sentinel)?:\/\/(.*@)?([^/@]+)(?:\/(.*))?$/s.exec(address)
  if (!parts) return undefined
  const [, scheme, sentinel, login = '', list, path = ''] = parts
  const isSentinel = sentinel !== undefined
  const port = isSentinel ? ports.sentinel : ports.server
  const urls = list!.split(',').map((host) => toUrl(`${scheme}://${login}${host}`))
  const hosts = urls.flatMap((url) => (url ? [`${url.hostname}:${url.port || port}`] : []))
  const [, name, database] = (isSentinel ? /^([\w.-]+)(?:\/(\d*))?$/ : /^()(\d*)$/).exec(path) ?? []
  if (hosts.length < urls.length || name === undefined) return undefined
  const url = urls[0]!
  const isCluster = hosts.length > 1 && !isSentinel
  // A cluster has one database; without one it is the official server's.
  if (isCluster && database && database !== '0') return undefined
  url.pathname = database || (isCluster ? '0' : '1')
  return { url, cluster: isCluster ? hosts : [], ...(isSentinel && { sentinels: { addresses: hosts, name } }) }
}

function toUrl(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url?.hostname ? url : undefined
}

/** The address as it may be shown. */
export function withoutPassword(address: string): string {
  return address.replace(/^([\w+]+:\/*)?.*@/s, '$1***@')
}
