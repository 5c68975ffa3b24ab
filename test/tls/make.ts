import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Certificate } from '../../src/tls/certificate.ts'
import { makeCertificate } from '../../src/tls/make-certificate.ts'

/** The paths of files that hold a key and its certificate for localhost, as `openssl req -x509` makes them. */
export const files = { rsa: join(import.meta.dirname, 'rsa-2048.pem'), ec: join(import.meta.dirname, 'p-256.pem') }

/** What is in such a file. */
export function pairOf(kind: keyof typeof files): Certificate {
  const pem = readFileSync(files[kind], 'utf8')
  return { cert: pem, key: pem }
}

export function newKey(namedCurve = 'P-256'): string {
  return generateKeyPairSync('ec', { namedCurve }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** A new key, and a certificate for localhost that was made at the time: it is valid for ten years. */
export function makePair(now = Date.now()): Certificate {
  const key = newKey()
  return { key, cert: makeCertificate(key, ['localhost', '127.0.0.1'], now) }
}

/** When a certificate was made that has expired. */
export const longAgo = Date.now() - 3700 * 86_400_000
