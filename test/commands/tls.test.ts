import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { chmod, cp, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { request, type IncomingMessage } from 'node:http'
import { request as requestByTls } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect } from 'node:tls'
import t from 'tap'
import { freePort } from '../free-port.ts'
import { files, longAgo, makePair } from '../tls/make.ts'
import { until } from '../until.ts'
import { kss, serve } from './kss.ts'

/** What a reader does: it checks no certificate. Resolves to the status and the body. */
async function ask(url: string, method = 'GET', body = ''): Promise<[number | undefined, string]> {
  const headers = { 'x-auth-user': 'ann', 'x-auth-key': 'secret-key', 'content-length': Buffer.byteLength(body) }
  const options = { method, headers, agent: false } as const
  const asked = url.startsWith('https:')
    ? requestByTls(url, { ...options, rejectUnauthorized: false, maxVersion: 'TLSv1.2' })
    : request(url, options)
  const [response] = (await once(asked.end(body), 'response')) as [IncomingMessage]
  return [response.statusCode, await text(response)]
}

async function fingerprintOf(url: string): Promise<string> {
  const { port } = new URL(url)
  const socket = connect({ port: Number(port), host: '127.0.0.1', rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { fingerprint256 } = socket.getPeerCertificate()
  socket.destroy()
  return fingerprint256
}

const push = JSON.stringify({ document: 'abc', percentage: 0.5, progress: '56', device: 'kpw' })

t.test('kss serve --tls self-signed serves a reader by https, with a certificate made once', async (t) => {
  const dir = t.testdir({})
  const { url, log, stop } = await serve(t, dir, ['--tls', 'self-signed'])
  t.match(url, /^https:\/\/127\.0\.0\.1:\d+$/)
  t.match(log, [{ level: 30, msg: /^A self-signed certificate for .*127\.0\.0\.1.* is in \.self-signed\.pem$/ }])
  const path = join(dir, '.self-signed.pem')
  t.equal((await stat(path)).mode & 0o777, 0o600)
  const pem = await readFile(path, 'utf8')
  const certificate = new X509Certificate(pem)
  t.equal(certificate.checkIP('127.0.0.1'), '127.0.0.1')
  t.equal(certificate.checkHost('localhost'), 'localhost')
  t.same(await ask(`${url}/users/create`, 'POST', '{"username":"ann","password":"secret-key"}'), [
    201,
    '{"username":"ann"}',
  ])
  t.match(await ask(`${url}/syncs/progress`, 'PUT', push), [200])
  t.match(await ask(`${url}/syncs/progress/abc`), [200, /"progress":"56"/])
  t.match(
    await kss(t, ['healthcheck', '--host', '127.0.0.1', '--tls', 'self-signed'], { KSS_PORT: new URL(url).port }),
    {
      code: 0,
      stdout: 'OK\n',
    },
  )
  t.match(await kss(t, ['healthcheck', url]), { code: 1, stderr: /does not answer: self-signed certificate/ })
  t.equal(await stop(), 0)
  const again = await serve(t, dir, ['--tls', 'self-signed'])
  t.equal(await readFile(path, 'utf8'), pem)
  t.equal(await fingerprintOf(again.url), certificate.fingerprint256)
  t.match(again.log[0], { msg: 'listening' })
})

t.test('another port has https where KSS_TLS_PORT says so, beside http on KSS_PORT', async (t) => {
  const port = String(await freePort())
  const env = { KSS_TLS: 'self-signed', KSS_TLS_PORT: port, KSS_BASE_PATH: '/kosync' }
  const dir = t.testdir({ one: {}, other: {} })
  const { log, child } = await serve(t, join(dir, 'one'), [], env)
  const { addresses } = log.at(-1) as { addresses: string[] }
  t.match(addresses, [`https://127.0.0.1:${port}/kosync`, /^http:\/\/127\.0\.0\.1:\d+\/kosync$/])
  for (const address of addresses) t.same(await ask(`${address}/healthcheck`), [200, '{"state":"OK"}'])
  t.match(await kss(t, ['healthcheck', '--host', '127.0.0.1'], env), { code: 0 })
  const ended = await kss(t, ['serve', '--host', '127.0.0.1', '--port', '0', '--dir', join(dir, 'other')], env)
  t.match(ended, { code: 1, stderr: new RegExp(`^Port ${port} is in use\\.`) })
  child.kill()
  await once(child, 'close')
})

t.test('a certificate of its own is read again when it is renewed, and a broken one is not taken', async (t) => {
  const dir = t.testdir({ state: {} })
  const path = join(dir, 'tls.pem')
  await cp(files.rsa, path)
  const env = { KSS_TLS_CERT: path, KSS_TLS_KEY: path }
  const { url, log, stop } = await serve(t, join(dir, 'state'), [], env)
  const before = await fingerprintOf(url)
  t.equal(before, new X509Certificate(await readFile(files.rsa)).fingerprint256)
  const warned = (line: RegExp): boolean => log.some(({ level, msg }) => level === 40 && line.test(String(msg)))
  await replace(path, 'nonsense')
  await until(() =>
    warned(/^KSS_TLS_CERT is ".*": it holds no certificate .* get the certificate that was read before\.$/),
  )
  t.equal(await fingerprintOf(url), before)
  const { cert, key } = makePair()
  await replace(path, cert + key)
  await until(async () => (await fingerprintOf(url)) === new X509Certificate(cert).fingerprint256)
  await until(() => log.some(({ msg }) => msg === 'The certificate was read again, because its files changed'))
  t.equal(await stop(), 0)
})

async function replace(path: string, content: string): Promise<void> {
  await writeFile(`${path}.new`, content)
  await rename(`${path}.new`, path)
}

const expired = makePair(longAgo)
const [one, other] = [makePair(), makePair()]

for (const [what, cert, key, line] of [
  ['that is not there', undefined, one.key, /^KSS_TLS_CERT is "\/.*\/cert\.pem": it cannot be read \(ENOENT.*\)\.\n$/],
  ['without its key', one.cert, undefined, /^KSS_TLS_KEY is "\/.*\/key\.pem": it cannot be read \(ENOENT.*\)\.\n$/],
  ['that is none', 'nonsense', one.key, /^KSS_TLS_CERT is ".*": it holds no certificate in PEM \(.*\)\.\n$/],
  ['with a broken key', one.cert, 'nonsense', /^KSS_TLS_KEY is ".*": it holds no private key in PEM \(.*\)\.\n$/],
  ['with the key of another', one.cert, other.key, /^KSS_TLS_KEY is ".*": it is not the key of the certificate\.\n$/],
  ['that has expired', expired.cert, expired.key, /^KSS_TLS_CERT is ".*": it expired on \d{4}-\d\d-\d\d\.\n$/],
] as const) {
  t.test(`a certificate ${what} is one line and exit code 2, and the folder is free again`, async (t) => {
    const folder = t.testdir({ state: {} })
    const env = { KSS_TLS_CERT: join(folder, 'cert.pem'), KSS_TLS_KEY: join(folder, 'key.pem') }
    if (cert !== undefined) await writeFile(env.KSS_TLS_CERT, cert)
    if (key !== undefined) await writeFile(env.KSS_TLS_KEY, key)
    const dir = join(folder, 'state')
    t.match(await kss(t, ['serve', '--port', '0', '--dir', dir], env), { code: 2, stdout: '', stderr: line })
    t.match(await kss(t, ['user', 'list', '--dir', dir]), { code: 0 })
  })
}

t.test('a folder in which no certificate can be made is one line', async (t) => {
  const dir = t.testdir({ '.self-signed.pem': {} })
  await chmod(dir, 0o700)
  const ended = await kss(t, ['serve', '--tls', 'self-signed', '--port', '0', '--dir', dir])
  t.match(ended, { code: 1, stderr: /^Cannot make a certificate in \/.*: EISDIR.*\.\n$/ })
})

t.test('a certificate that is made for all addresses has those of the network', async (t) => {
  const { log } = await serve(t, t.testdir({}), ['--host', '0.0.0.0', '--tls', 'self-signed'])
  const { addresses } = log.at(-1) as { addresses: string[] }
  for (const address of addresses) t.match(log[0], { msg: new URL(address).hostname })
})

t.test('the console over https gives cookies that go over https alone, and does not warn', async (t) => {
  const { url } = await serve(t, t.testdir({}), ['--tls', 'self-signed'])
  const asked = requestByTls(url, { rejectUnauthorized: false, agent: false, headers: { accept: 'text/html' } }).end()
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  t.notMatch(await text(response), 'not encrypted')
  t.match(response.headers['set-cookie'], [/; Secure/])
})
