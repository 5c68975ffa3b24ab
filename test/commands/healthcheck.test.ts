import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { localAddress } from '../../src/commands/healthcheck.ts'
import { loadConfig } from '../../src/config.ts'
import { kss, serve } from './kss.ts'
import { folder } from './state-fixture.ts'

t.test('a server that is well gives exit code 0, by address, by URL and by the same settings', async (t) => {
  const { url } = await serve(t, t.testdir({}), ['--base-path', '/kosync'])
  t.match(await kss(t, ['healthcheck', url]), { code: 0, stdout: 'OK\n' })
  t.match(await kss(t, ['healthcheck', `${url}/healthcheck`]), { code: 0 })
  t.match(await kss(t, ['healthcheck'], { KSS_PORT: new URL(url).port, KSS_BASE_PATH: '/kosync' }), { code: 0 })
})

t.test('a server is found by its env file and by flags', async (t) => {
  const { url } = await serve(t, t.testdir({}), ['--base-path', '/kosync'])
  const { port } = new URL(url)
  const file = join(await folder(t), 'kss.env')
  await writeFile(file, `KSS_HOST=127.0.0.1\nKSS_PORT=${port}\nKSS_BASE_PATH=/kosync\n`)
  t.match(await kss(t, ['healthcheck', '--env-file', file]), { code: 0, stdout: 'OK\n' })
  t.match(await kss(t, ['healthcheck', '--port', port, '--base-path', 'kosync', '--host', '127.0.0.1']), { code: 0 })
  t.match(await kss(t, ['healthcheck', '--env-file', file, '--base-path', '/other']), { code: 1, stderr: /\/other/ })
  t.match(await kss(t, ['healthcheck', '--port', '']), { code: 2, stderr: /^error: --port is empty\n/ })
})

t.test('no server, one that is no kss and one that is ill give exit code 1, and say why', async (t) => {
  t.match(await kss(t, ['healthcheck', 'http://127.0.0.1:1']), {
    code: 1,
    stderr: /^http:\/\/127\.0\.0\.1:1\/healthcheck does not answer: .+\n$/,
  })
  const other = createServer((request, response) => {
    response.statusCode = { '/ill/healthcheck': 503, '/moved/healthcheck': 301 }[request.url!] ?? 200
    response.setHeader('location', '/healthcheck')
    response.end(request.url === '/html/healthcheck' ? '<html>' : '{"state":"Moo"}')
  }).listen(0, '127.0.0.1')
  t.teardown(() => other.close())
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  t.match(await kss(t, ['healthcheck', `http://127.0.0.1:${port}`]), { code: 1, stderr: /answers 200, and not that/ })
  t.match(await kss(t, ['healthcheck', `http://127.0.0.1:${port}/ill`]), { code: 1, stderr: /answers 503/ })
  t.match(await kss(t, ['healthcheck', `http://127.0.0.1:${port}/moved`]), { code: 1, stderr: /answers 301/ })
  for (const address of ['home.example', 'localhost:8080']) {
    const stderr = `${address} is no address of a server. Write it as http://localhost:8080\n`
    t.match(await kss(t, ['healthcheck', address]), { code: 1, stderr })
  }
  t.match(await kss(t, ['healthcheck', `http://127.0.0.1:${port}/html`]), { code: 1, stderr: /does not answer/ })
})

for (const [host, expected] of [
  ['0.0.0.0', 'http://127.0.0.1:8080'],
  ['::', 'http://[::1]:8080'],
  ['fd00::1', 'http://[fd00::1]:8080'],
  ['10.0.0.1', 'http://10.0.0.1:8080'],
] as const) {
  t.test(`a server that listens on ${host} is asked at ${expected}`, async (t) => {
    t.equal(localAddress(loadConfig({ KSS_HOST: host }, undefined, {}).config), expected)
  })
}
