import { mkdir, rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { CertificateError, type Certificate } from '../../src/tls/certificate.ts'
import { readCertificate, watchCertificate, type CertificatePaths } from '../../src/tls/certificate-files.ts'
import { until } from '../until.ts'
import { makePair } from './make.ts'

/** Puts the pair there in one step each, as certbot does. */
async function put(paths: CertificatePaths, pair: Partial<Certificate>): Promise<void> {
  for (const [file, pem] of Object.entries(pair)) {
    const path = paths[file as keyof Certificate]
    await writeFile(`${path}.new`, pem)
    await rename(`${path}.new`, path)
  }
}

/** Files in a folder, and what is told of their changes. */
async function watched(t: Test, folder = t.testdir({})) {
  const paths = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  const told: (Certificate | CertificateError)[] = []
  await put(paths, makePair())
  const stop = watchCertificate(paths, (result) => told.push(result), 10)
  t.teardown(stop)
  /** Until the last thing that is told is as wanted: of two files, one may be seen before the other. */
  const last = (isWanted: (result: Certificate | CertificateError) => boolean): Promise<void> =>
    until(() => told.length > 0 && isWanted(told.at(-1)!))
  return { paths, told, last, stop }
}

t.test('a file that is not there is an error that names it', async (t) => {
  const paths = { cert: join(t.testdir({}), 'cert.pem'), key: '' }
  await t.rejects(readCertificate(paths), { file: 'cert', message: /^cannot be read \(ENOENT: / })
})

t.test('each new pair is told, also after a broken one', async (t) => {
  const { paths, last } = await watched(t)
  const second = makePair()
  await put(paths, second)
  await last((result) => !(result instanceof Error) && result.cert === second.cert && result.key === second.key)
  await put(paths, { cert: 'nonsense' })
  await last((result) => result instanceof CertificateError && result.file === 'cert')
  await put(paths, second)
  await last((result) => !(result instanceof Error))
})

t.test('a certificate whose key is not there yet is told as an error, and both when it is', async (t) => {
  const { paths, last } = await watched(t)
  const next = makePair()
  await put(paths, { cert: next.cert })
  await last((result) => result instanceof CertificateError && result.message === 'is not the key of the certificate')
  await put(paths, { key: next.key })
  await last((result) => !(result instanceof Error) && result.cert === next.cert)
})

t.test('a link that leads to another folder is a change, as in a volume of Kubernetes', async (t) => {
  const root = t.testdir({})
  const link = async (name: string): Promise<string> => {
    await mkdir(join(root, name))
    await symlink(name, join(root, 'link'))
    return join(root, 'data')
  }
  const data = await link('first')
  await rename(join(root, 'link'), data)
  const { last } = await watched(t, data)
  const next = makePair()
  await link('second')
  await put({ cert: join(root, 'second', 'cert.pem'), key: join(root, 'second', 'key.pem') }, next)
  await rename(join(root, 'link'), data)
  await last((result) => !(result instanceof Error) && result.cert === next.cert)
})

t.test('nothing is told any more after the end', async (t) => {
  const folder = t.testdir({ one: {}, other: {} })
  const { paths, told, stop } = await watched(t, join(folder, 'one'))
  const other = await watched(t, join(folder, 'other'))
  stop()
  const next = makePair()
  await put(paths, next)
  await put(other.paths, next)
  await other.last((result) => !(result instanceof Error))
  t.same(told, [])
})
