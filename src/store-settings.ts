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
  const url = URL.canParse(address) ? new URL(address) : undefined
  const isEngine = url?.hostname && ['redis:', 'rediss:'].includes(url.protocol) && /^(\/\d*)?$/.test(url.pathname)
  if (!isEngine) throw bad('KSS_STORE')
}

/** The address as it may be shown. */
export function withoutPassword(address: string): string {
  return address.replace(/^(\w+:\/*)?.*@/s, '$1***@')
}
