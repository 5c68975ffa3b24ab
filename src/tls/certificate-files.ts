import { unwatchFile, watchFile } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { CertificateError, checkCertificate, type Certificate } from './certificate.ts'

export type CertificatePaths = Record<keyof Certificate, string>

/** Milliseconds between two looks at the files. */
const interval = 5000

/** Throws CertificateError when the files are not there, or hold nothing that a server could use. */
export async function readCertificate(paths: CertificatePaths): Promise<Certificate> {
  const pair = { cert: await read('cert', paths), key: await read('key', paths) }
  checkCertificate(pair)
  return pair
}

async function read(file: keyof Certificate, paths: CertificatePaths): Promise<string> {
  try {
    return await readFile(paths[file], 'utf8')
  } catch (error) {
    throw new CertificateError(file, `cannot be read (${(error as Error).message})`, error)
  }
}

/**
 * Tells of each change of the files, also behind a symbolic link: of the new certificate, or of why it cannot be used.
 * By looking at them now and then: no event comes from a network disk, or for a link of Kubernetes. The returned
 * function ends it.
 */
export function watchCertificate(
  paths: CertificatePaths,
  onChange: (result: Certificate | CertificateError) => void,
  every = interval,
): () => void {
  const look = (): void => void readCertificate(paths).then(onChange, onChange)
  const files = new Set(Object.values(paths))
  for (const path of files) watchFile(path, { interval: every, persistent: false }, look)
  return () => {
    for (const path of files) unwatchFile(path, look)
  }
}
