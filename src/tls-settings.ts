import { resolve } from 'node:path'

const file = { type: 'string', default: '' } as const

/** The settings of https: off by default. */
export const tlsSettings = {
  KSS_TLS: {
    type: 'string',
    enum: ['', 'self-signed'],
    default: '',
    description: 'self-signed, where KSS_TLS_CERT is not set',
  },
  KSS_TLS_CERT: { ...file, description: 'a PEM file with a certificate and its chain, beside KSS_TLS_KEY' },
  KSS_TLS_KEY: { ...file, description: 'a PEM file with the private key of KSS_TLS_CERT' },
  KSS_TLS_PORT: {
    type: 'integer',
    minimum: 0,
    maximum: 65_535,
    default: 0,
    description: 'a port other than KSS_PORT, where https is on, or 0',
  },
} as const

type Name = keyof typeof tlsSettings

export interface TlsConfig {
  KSS_TLS: '' | 'self-signed'
  /** Empty for none, as KSS_TLS_KEY then is. */
  KSS_TLS_CERT: string
  KSS_TLS_KEY: string
  /** Where https is, and KSS_PORT has plain http; 0: https is on KSS_PORT alone. */
  KSS_TLS_PORT: number
}

/** The values, checked; throws what `bad` makes of the name of a setting that does not go with the others. */
export function readTls(values: TlsConfig & { KSS_PORT: number }, bad: (name: Name) => Error): Partial<TlsConfig> {
  const { KSS_TLS: made, KSS_TLS_CERT: cert, KSS_TLS_KEY: key, KSS_TLS_PORT: port } = values
  if (cert === '' && key !== '') throw bad('KSS_TLS_CERT')
  if (cert !== '' && key === '') throw bad('KSS_TLS_KEY')
  if (cert !== '' && made !== '') throw bad('KSS_TLS')
  if (port !== 0 && (!hasTls(values) || port === values.KSS_PORT)) throw bad('KSS_TLS_PORT')
  return cert === '' ? {} : { KSS_TLS_CERT: resolve(cert), KSS_TLS_KEY: resolve(key) }
}

/** Whether readers are served by https. */
export function hasTls({ KSS_TLS, KSS_TLS_CERT }: TlsConfig): boolean {
  return KSS_TLS !== '' || KSS_TLS_CERT !== ''
}
