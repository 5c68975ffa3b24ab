import { hostname } from 'node:os'
import type { FastifyBaseLogger } from 'fastify'
import { CommandError } from '../command-error.ts'
import { ConfigError, type Config } from '../config.ts'
import { createTlsListener, type TlsListener } from '../http/tls-listener.ts'
import { readCertificate, watchCertificate, type CertificatePaths } from '../tls/certificate-files.ts'
import { CertificateError, type Certificate } from '../tls/certificate.ts'
import { openSelfSigned, selfSignedName } from '../tls/self-signed.ts'
import { lanAddresses } from './announce.ts'

export interface OpenTls {
  listener: TlsListener
  /** Stops watching the certificate files. */
  close: () => void
}

/** The port of https that the settings ask for. Throws ConfigError for a certificate that cannot be used. */
export async function openTls(config: Config, logger: FastifyBaseLogger): Promise<OpenTls> {
  if (config.KSS_TLS_CERT === '') {
    const listener = createTlsListener(await ownCertificate(config, logger))
    return { listener, close: () => undefined }
  }
  const paths = { cert: config.KSS_TLS_CERT, key: config.KSS_TLS_KEY }
  const listener = createTlsListener(await readFirst(paths))
  const close = watchCertificate(paths, (result) => {
    if (result instanceof CertificateError) {
      logger.warn(`${describe(result, paths)}. Connections get the certificate that was read before.`)
      return
    }
    listener.setCertificate(result)
    logger.info('The certificate was read again, because its files changed')
  })
  return { listener, close }
}

async function readFirst(paths: CertificatePaths): Promise<Certificate> {
  try {
    return await readCertificate(paths)
  } catch (error) {
    throw new ConfigError(`${describe(error as CertificateError, paths)}.`)
  }
}

function describe({ file, message }: CertificateError, paths: CertificatePaths): string {
  return `KSS_TLS_${file.toUpperCase()} is "${paths[file]}": it ${message}`
}

async function ownCertificate(
  { KSS_DIR: dir, KSS_HOST: host }: Config,
  logger: FastifyBaseLogger,
): Promise<Certificate> {
  try {
    const { cert, key, isNew } = await openSelfSigned(dir, namesOf(host))
    if (isNew) logger.info(`A self-signed certificate for ${namesOf(host).join(', ')} is in ${selfSignedName}`)
    return { cert, key }
  } catch (error) {
    throw new CommandError(`Cannot make a certificate in ${dir}: ${(error as Error).message}.`)
  }
}

/** What clients may call this machine. A certificate holds no name with other characters. */
function namesOf(host: string): string[] {
  const own = hostname()
  const listening = host === '0.0.0.0' || host === '::' ? lanAddresses() : [host]
  const names = [...listening, own, `${own.replace(/\..*/, '')}.local`, 'localhost', '127.0.0.1', '::1']
  return [...new Set(names.map((name) => name.toLowerCase()))].filter((name) =>
    /^[\da-f]*:[\da-f:.]+$|^[a-z\d.-]+$/.test(name),
  )
}
