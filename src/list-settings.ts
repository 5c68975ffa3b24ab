import { isIP } from 'node:net'

/** The settings that are lists and need a check of each part. */
export const listSettings = {
  KSS_TRUSTED_PROXIES: {
    type: 'string',
    default: '',
    description: 'IP addresses or ranges, separated by commas, as 10.0.0.0/8,::1',
  },
  KSS_CORS_ORIGINS: {
    type: 'string',
    default: '*',
    description: '*, none, or origins, separated by commas, as https://web.readest.com',
  },
  KSS_CONSOLE_HOSTS: {
    type: 'string',
    default: '',
    description: 'host names, separated by commas, as sync.example.org,nas.example.org',
  },
} as const

type Name = keyof typeof listSettings

export interface ListConfig {
  /** Addresses and ranges (CIDR). */
  KSS_TRUSTED_PROXIES: string[]
  /** As browsers write them; or only `*` for all, or only `none`. */
  KSS_CORS_ORIGINS: string[]
  /** In lower case. */
  KSS_CONSOLE_HOSTS: string[]
}

/** The values, checked; throws what `bad` makes of the name of one that can't be. */
export function readLists(values: Record<Name, string>, bad: (name: Name) => Error): ListConfig {
  const { KSS_TRUSTED_PROXIES: proxies, KSS_CORS_ORIGINS: origins, KSS_CONSOLE_HOSTS: names } = values
  const ranges = proxies === '' ? [] : split(proxies)
  if (!ranges.every(isRange)) throw bad('KSS_TRUSTED_PROXIES')
  const found = origins === '*' || origins === 'none' ? [origins] : split(origins).map(originOf)
  if (!found.every((origin) => origin !== undefined)) throw bad('KSS_CORS_ORIGINS')
  const hosts = names === '' ? [] : split(names.toLowerCase())
  if (!hosts.every((host) => /^[a-z\d_-]+(\.[a-z\d_-]+)*$/.test(host))) throw bad('KSS_CONSOLE_HOSTS')
  return { KSS_TRUSTED_PROXIES: ranges, KSS_CORS_ORIGINS: found, KSS_CONSOLE_HOSTS: hosts }
}

function isRange(range: string): boolean {
  const [address = '', bits] = range.split('/', 2)
  const most = isIP(address) === 6 ? 128 : 32
  const valid = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) > 0 && Number(bits) <= most)
  return isIP(address) !== 0 && valid
}

/** Undefined when it is none. An app has one too, such as tauri://localhost; a wildcard in it would match nothing. */
function originOf(text: string): string | undefined {
  if (!/^[a-z][a-z\d+.-]*:\/\/[^\s/?#@\\*]+\/?$/i.test(text) || !URL.canParse(text)) return undefined
  const { protocol, host } = new URL(text)
  return `${protocol}//${host}`
}

function split(list: string): string[] {
  return list.split(',').map((each) => each.trim())
}
