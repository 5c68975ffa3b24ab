import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { replaceFile } from '../durable.ts'
import { unlessAbsent } from '../error-code.ts'
import { readTrusted } from '../trusted-file.ts'
import { checkCertificate, type Certificate } from './certificate.ts'

/** In the state directory: the key and its certificate, in PEM. */
export const selfSignedName = '.self-signed.pem'

/** Milliseconds: one that expires within them is made anew. */
const margin = 30 * 86_400_000

export interface SelfSigned extends Certificate {
  /** Whether the file was written just now. */
  isNew: boolean
}

/**
 * The certificate in the state directory. It is made when there is none, and anew, with the same key, when it lacks one
 * of the names, or expires soon. Rejects with the error of the file system.
 */
export async function openSelfSigned(dir: string, names: string[], now = Date.now()): Promise<SelfSigned> {
  const path = join(dir, selfSignedName)
  const pem = (await unlessAbsent(readTrusted(path))) ?? ''
  const [, key = '', cert = ''] = /^([^]*-END PRIVATE KEY-+\n)([^]*)$/.exec(pem) ?? []
  if (isValidFor(names, { cert, key }, now + margin)) return { cert, key, isNew: false }
  const { makeCertificate } = await import('./make-certificate.ts')
  const usedKey = isOwnKey(key) ? key : newKey()
  const made = makeCertificate(usedKey, names, now)
  await replaceFile(path, usedKey + made)
  return { cert: made, key: usedKey, isNew: true }
}

function isValidFor(names: string[], pair: Certificate, now: number): boolean {
  try {
    const certificate = checkCertificate(pair, now)
    return names.every((name) => (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)))
  } catch {
    return false
  }
}

function isOwnKey(key: string): boolean {
  try {
    return createPrivateKey(key).asymmetricKeyDetails?.namedCurve === 'prime256v1'
  } catch {
    return false
  }
}

/** P-256: half the handshake of RSA 2048, and every reader knows it. */
function newKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}
