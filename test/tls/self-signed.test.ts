import { X509Certificate } from 'node:crypto'
import { chmod, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { scanTop } from '../../src/check/scan.ts'
import { onWindows } from '../../src/durable.ts'
import { checkCertificate } from '../../src/tls/certificate.ts'
import { openSelfSigned } from '../../src/tls/self-signed.ts'
import { makePair, newKey } from './make.ts'

const names = ['192.168.1.20', 'nas', 'nas.local', 'localhost', '127.0.0.1', '::1']
const day = 86_400_000

t.test('a certificate for all names is made once, in a file that only its owner can read', async (t) => {
  const dir = t.testdir({})
  const first = await openSelfSigned(dir, names)
  t.equal(first.isNew, true)
  const certificate = checkCertificate(first)
  for (const name of ['nas', 'nas.local', 'localhost']) t.equal(certificate.checkHost(name), name)
  for (const address of ['192.168.1.20', '127.0.0.1', '::1']) t.equal(certificate.checkIP(address), address)
  t.equal(certificate.checkIP('192.168.1.21'), undefined)
  t.equal(certificate.ca, false)
  t.ok(certificate.verify(certificate.publicKey))
  t.same(await readdir(dir), ['.self-signed.pem'])
  if (!onWindows) t.equal((await stat(join(dir, '.self-signed.pem'))).mode & 0o777, 0o600)
  t.same(await openSelfSigned(dir, names), { ...first, isNew: false })
  t.same(await openSelfSigned(dir, ['localhost']), { ...first, isNew: false }, 'fewer names do not matter')
})

t.test('a new address gives a new certificate with the same key', async (t) => {
  const dir = t.testdir({})
  const first = await openSelfSigned(dir, names)
  const second = await openSelfSigned(dir, ['192.168.1.77', ...names])
  t.equal(second.isNew, true)
  t.equal(second.key, first.key)
  t.equal(new X509Certificate(second.cert).checkIP('192.168.1.77'), '192.168.1.77')
  t.notSame(new X509Certificate(second.cert).serialNumber, new X509Certificate(first.cert).serialNumber)
})

t.test('a certificate is made anew a month before it expires', async (t) => {
  const dir = t.testdir({})
  const first = await openSelfSigned(dir, names)
  t.equal((await openSelfSigned(dir, names, Date.now() + 3619 * day)).isNew, false)
  const second = await openSelfSigned(dir, names, Date.now() + 3621 * day)
  t.match(second, { isNew: true, key: first.key })
})

const other = makePair()
for (const [what, content, keepsKey] of [
  ['empty', '', false],
  ['not PEM', 'nonsense', false],
  ['without a certificate', other.key, true],
  ['with the certificate of another key', newKey() + other.cert, true],
  ['with a key of another curve', newKey('P-384') + other.cert, false],
  ['with a torn key', `${other.key.slice(0, 40)}\n-----END PRIVATE KEY-----\n${other.cert}`, false],
] as const) {
  t.test(`a file that is ${what} is replaced`, async (t) => {
    const dir = t.testdir({ '.self-signed.pem': content })
    const made = await openSelfSigned(dir, names)
    t.equal(made.isNew, true)
    t.ok(checkCertificate(made))
    t.equal(content.startsWith(made.key), keepsKey)
    t.equal(await readFile(join(dir, '.self-signed.pem'), 'utf8'), made.key + made.cert)
  })
}

t.test('a file that cannot be read, a link and a folder that is gone are errors', async (t) => {
  const dir = t.testdir({ target: '', folder: { '.self-signed.pem': {} } })
  await symlink(join(dir, 'target'), join(dir, '.self-signed.pem'))
  await t.rejects(openSelfSigned(dir, names), { message: /is a symbolic link/ })
  const folder = join(dir, 'folder')
  await t.rejects(openSelfSigned(folder, names), { code: 'EISDIR' })
  await t.rejects(openSelfSigned(join(folder, 'none'), names), { code: 'ENOENT' })
})

t.test('kss check knows the file, and finds one that others can read', { skip: onWindows }, async (t) => {
  const dir = t.testdir({})
  await chmod(dir, 0o700)
  await openSelfSigned(dir, names)
  t.same(await scanTop(dir), [])
  await chmod(join(dir, '.self-signed.pem'), 0o644)
  t.match(await scanTop(dir), [{ path: '.self-signed.pem', problem: /has mode 0644/, damage: true }])
  await writeFile(join(dir, '.other.pem'), '')
  t.match(await scanTop(dir), [{ path: '.other.pem' }, {}])
})

t.test('kss check finds a folder in the place of the file', async (t) => {
  const dir = t.testdir({ '.self-signed.pem': {} })
  t.match(await scanTop(dir), [{ path: '.self-signed.pem', problem: 'is not a file' }])
})
