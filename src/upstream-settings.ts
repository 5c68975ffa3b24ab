/** The settings for moving from another server: off by default. */
export const upstreamSettings = {
  KSS_UPSTREAM: {
    type: 'string',
    default: '',
    description: 'an address like https://old.example or https://old.example/kosync',
  },
  KSS_UPSTREAM_UNTIL: {
    type: 'string',
    default: '',
    description: 'a date like 2030-12-31, or a time like 2030-12-31T18:00Z',
  },
  KSS_UPSTREAM_USERS: {
    type: 'string',
    default: '',
    description: 'user names, separated by commas, as ann,bob',
  },
} as const

type Name = keyof typeof upstreamSettings

export interface UpstreamConfig {
  /** Without a slash at the end; empty for none. */
  KSS_UPSTREAM: string
  /** What endOf reads; empty for no end. */
  KSS_UPSTREAM_UNTIL: string
  /** None for everybody. */
  KSS_UPSTREAM_USERS: string[]
}

/** The values, checked; throws what `bad` makes of the name of one that can't be. */
export function readUpstream(values: Record<Name, string>, bad: (name: Name) => Error): UpstreamConfig {
  const { KSS_UPSTREAM: address, KSS_UPSTREAM_UNTIL: until, KSS_UPSTREAM_USERS: list } = values
  const origin = address === '' ? '' : upstreamAddress(address)
  if (origin === undefined) throw bad('KSS_UPSTREAM')
  if (until !== '' && endOf(until) === undefined) throw bad('KSS_UPSTREAM_UNTIL')
  const users = list === '' ? [] : list.split(',').map((name) => name.trim())
  if (users.includes('')) throw bad('KSS_UPSTREAM_USERS')
  return { KSS_UPSTREAM: origin, KSS_UPSTREAM_UNTIL: until, KSS_UPSTREAM_USERS: users }
}

/** The address without a slash at its end; undefined when it is none, or has what kss would not use. */
function upstreamAddress(text: string): string | undefined {
  if (!URL.canParse(text) || !/^https?:\/\/[^\s?#@\\]+$/i.test(text)) return undefined
  return new URL(text).href.replace(/\/$/, '')
}

const date = /^\d{4}-\d\d-\d\d$/
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)$/

/** When a date has passed, in UTC, or a time has come: in milliseconds since 1970. Undefined when it is neither. */
export function endOf(text: string): number | undefined {
  if (!date.test(text) && !time.test(text)) return undefined
  const start = Date.parse(text)
  // JavaScript takes 30 February for the first days of March.
  const exists = !Number.isNaN(start) && isDay(text.slice(0, 10))
  if (!exists) return undefined
  return date.test(text) ? start + 86_400_000 : start
}

function isDay(text: string): boolean {
  return new Date(text).toISOString().startsWith(text)
}
