import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { kss } from '../../commands/kss.ts'
import { folder } from '../../commands/state-fixture.ts'
import { command } from '../../launcher.ts'
import { noRedis, startCluster } from '../../redis.ts'
import { startServer, syncOnce } from '../../server-process.ts'
import { files } from '../../tls/make.ts'

const docs = await readFile(join(import.meta.dirname, '../../../docs/redis.md'), 'utf8')
const [, rules] = /^ACL SETUSER kss on >secret (.*)$/m.exec(docs)!

t.test('on a cluster with TLS, as a user with few rights', { skip: noRedis }, async (t) => {
  const dir = await folder(t)
  const certificate = join(dir, 'redis.pem')
  await copyFile(files.ec, certificate)
  const password = join(dir, 'password')
  await writeFile(password, 'se/cr@t\n')
  const paths = ['cert-file', 'key-file', 'ca-cert-file'].flatMap((name) => [`--tls-${name}`, certificate])
  const { masters } = await startCluster(t, false, ...paths, '--tls-cluster', 'yes', '--tls-auth-clients', 'no')
  for (const master of masters) {
    await master.command(0, 'ACL', 'SETUSER', 'kss', 'on', '>se/cr@t', ...rules!.split(' '))
    await master.command(0, 'ACL', 'SETUSER', 'default', 'off')
  }
  const address = `rediss://kss@${masters.map(({ tlsPort }) => `127.0.0.1:${tlsPort()}`).join(',')}`
  const env = { KSS_STORE: address, KSS_REDIS_PASSWORD_FILE: password, NODE_EXTRA_CA_CERTS: certificate }

  t.test('readers are served, and commands work', async (t) => {
    const words = Object.entries(env).map(([name, value]) => `${name}=${value}`)
    const server = await startServer(t, ['env', ...words, ...command], join(dir, 'state'))
    t.match(await syncOnce(server.url), { document: 'dune', progress: '56' })
    t.equal((await fetch(`${server.url}/readiness`)).status, 200)
    t.match(await kss(t, ['user', 'list'], env), { code: 0, stdout: /\bann\b/ })
    t.match(await kss(t, ['check'], env), { code: 0 })
    t.match(await kss(t, ['user', 'rename', 'ann', 'anna'], env), { code: 0, stderr: '' })
    t.match(await kss(t, ['user', 'rm', 'anna', '--yes'], env), { code: 0, stderr: '' })
    t.equal(await server.stop(), 0)
  })

  t.test('what is wrong is said', async (t) => {
    const reasonOf = async (settings: Record<string, string>): Promise<string> =>
      (await kss(t, ['user', 'list'], { ...env, ...settings })).stderr.replace(/^.*database 0, /s, '').trim()
    t.match(
      await reasonOf({ NODE_EXTRA_CA_CERTS: '' }),
      /^has a certificate that is not trusted: name its authority in NODE_EXTRA_CA_CERTS/,
    )
    const plain = `rediss://kss@${masters.map(({ host }) => host).join(',')}`
    t.match(await reasonOf({ KSS_STORE: plain }), /^does not answer/)
    await writeFile(password, 'wrong\n')
    t.match(await reasonOf({}), /^refuses the name or the password/)
  })
})
