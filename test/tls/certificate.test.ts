import { createPrivateKey } from 'node:crypto'
import t from 'tap'
import { checkCertificate, type Certificate } from '../../src/tls/certificate.ts'
import { files, longAgo, makePair, newKey, pairOf } from './make.ts'

const good = makePair()
const encrypted = createPrivateKey(good.key)
  .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' })
  .toString()
const day = new Date(longAgo + 3650 * 86_400_000).toISOString().slice(0, 10)

const unusable: [string, Partial<Certificate>, keyof Certificate, RegExp][] = [
  ['an empty file', { cert: '' }, 'cert', /^holds no certificate in PEM \(/],
  ['a key in place of the certificate', { cert: good.key }, 'cert', /^holds no certificate in PEM \(/],
  ['half a certificate', { cert: good.cert.slice(0, 200) }, 'cert', /^holds no certificate in PEM \(/],
  ['a certificate in place of the key', { key: good.cert }, 'key', /^holds no private key in PEM \(/],
  [
    'a key with a passphrase',
    { key: encrypted },
    'key',
    /^has a passphrase: write the key without one, as openssl pkey/,
  ],
  ['the key of another certificate', { key: newKey() }, 'key', /^is not the key of the certificate$/],
  ['a certificate that has expired', makePair(longAgo), 'cert', new RegExp(`^expired on ${day}$`)],
  ['a chain that is torn', { cert: `${good.cert}-----BEGIN CERTIFICATE-----\nAAAA\n` }, 'cert', /^cannot be used \(/],
]

for (const [what, change, file, message] of unusable) {
  t.test(`${what} is refused, with the reason`, async (t) => {
    t.throws(() => checkCertificate({ ...good, ...change }), { file, message })
  })
}

for (const kind of ['rsa', 'ec'] as const) {
  t.test(`a file that openssl made with a key of ${files[kind]} is taken, for key and certificate`, async (t) => {
    t.match(checkCertificate(pairOf(kind)).subjectAltName, 'DNS:localhost')
  })
}

t.test('a certificate that is not valid yet is taken: the clock may be wrong', async (t) => {
  t.ok(checkCertificate(makePair(Date.now() + 30 * 86_400_000)))
})
