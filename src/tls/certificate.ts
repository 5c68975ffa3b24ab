import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { createSecureContext } from 'node:tls'

/** What a TLS server needs, in PEM. */
export interface Certificate {
  /** The server's own comes first, then those that lead to a root. */
  cert: string
  key: string
}

/** A certificate or key that cannot be used; the message says of which of the two, and why. */
export class CertificateError extends Error {
  readonly file: keyof Certificate

  constructor(file: keyof Certificate, message: string, cause?: unknown) {
    super(message, { cause })
    this.file = file
  }
}

/** Throws CertificateError for what a server could not use, and for a certificate that has expired at `now`. */
export function checkCertificate({ cert, key }: Certificate, now = Date.now()): X509Certificate {
  const certificate = orError('cert', 'holds no certificate in PEM', () => new X509Certificate(cert))
  const reason = /^-----BEGIN.*ENCRYPTED|^Proc-Type:.*ENCRYPTED/m.test(key)
    ? 'has a passphrase: write the key without one, as openssl pkey does'
    : 'holds no private key in PEM'
  const privateKey: KeyObject = orError('key', reason, () => createPrivateKey(key))
  if (!certificate.checkPrivateKey(privateKey)) throw new CertificateError('key', 'is not the key of the certificate')
  // A certificate that is not valid yet is served: after a start without a network the clock may be wrong.
  if (Date.parse(certificate.validTo) <= now) {
    throw new CertificateError('cert', `expired on ${new Date(certificate.validTo).toISOString().slice(0, 10)}`)
  }
  orError('cert', 'cannot be used', () => createSecureContext({ cert, key }))
  return certificate
}

function orError<T>(file: keyof Certificate, reason: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new CertificateError(file, `${reason} (${(error as Error).message})`, error)
  }
}
