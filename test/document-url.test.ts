import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import t from 'tap'
import { position, Reader } from './helper.ts'
import { exchange, listen, request } from './raw-socket.ts'

const app = await listen(t, { basePath: '/kosync' })
const reader = new Reader(app)
const auth = [`x-auth-user: ${reader.username}`, `x-auth-key: ${reader.key}`]
const push = (document: string): string => JSON.stringify({ ...position, document })

t.before(async () => {
  const body = JSON.stringify({ username: reader.username, password: reader.key })
  await exchange(app, ...request('POST /kosync/users/create', [], body))
})

/** The documents of the records that GETs of these targets are answered with, over one connection. */
async function pull(targets: string[]): Promise<(string | undefined)[]> {
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1').setEncoding('latin1')
  let received = ''
  socket.on('data', (text) => (received += String(text)))
  for (const [at, target] of targets.entries()) {
    const last = at === targets.length - 1 ? 'Connection: close\r\n' : ''
    socket.write(`GET ${target} HTTP/1.1\r\nHost: kss\r\n${auth.join('\r\n')}\r\n${last}\r\n`)
  }
  await once(socket, 'close')
  const bodies = Buffer.from(received, 'latin1')
    .toString()
    .matchAll(/\r\n\r\n(\{.*?\})(?=HTTP|$)/gs)
  return Array.from(bodies, ([, body = '']) => (JSON.parse(body) as { document?: string }).document)
}

for (const [document, ...ways] of [
  ['a//b', 'a//b', 'a%2F%2Fb', 'a/%2Fb', 'a%2f/b', 'a//b?x=1', 'a//b?x=/y/', 'a//b#c'],
  ['/lead', '/lead', '%2Flead', '/lead?'],
  ['//lead', '//lead', '%2F%2Flead', '/%2Flead'],
  ['trail/', 'trail/', 'trail%2F', 'trail/?x=y'],
  ['trail//', 'trail//', 'trail%2F/'],
  ['/', '/', '%2F', '/?x'],
  ['//', '//', '%2F%2F'],
  ['a/b', 'a/b', 'a%2Fb'],
  ['a%2Fb', 'a%252Fb'],
  ['.', '.', '%2E'],
  ['..', '..', '%2e%2e', '.%2E'],
  ['../..', '../..', '..%2F..'],
  ['./', './', '.%2F'],
  ['a?b', 'a%3Fb', 'a%3fb?c'],
  ['a#b', 'a%23b', 'a%23b#c'],
  ['?', '%3F'],
  ['#', '%23'],
  ['a;b', 'a;b', 'a%3Bb'],
  ['a b+c', 'a%20b+c', 'a%20b%2Bc'],
  ['%', '%25'],
  ['/syncs/progress/x/', '/syncs/progress/x/', '%2Fsyncs/progress%2Fx/'],
  ['é', '%C3%A9'],
  ['李//龍', '%E6%9D%8E//%E9%BE%8D'],
  ['x'.repeat(1024), 'x'.repeat(1024), '%78'.repeat(1024)],
  ['/'.repeat(1024), '/'.repeat(1024), '%2F'.repeat(1024)],
] satisfies [document: string, ...ways: string[]][]) {
  t.test(`${JSON.stringify(document.slice(0, 20))} is found where PUT put it`, async (t) => {
    const reply = await exchange(app, ...request('PUT /kosync/syncs/progress', auth, push(document)))
    t.match(reply, /^HTTP\/1\.1 200 /)
    const prefixes = ['/kosync/syncs/progress/', '//kosync//syncs///progress/', 'http://kss/kosync/syncs/progress/']
    const targets = prefixes.flatMap((prefix) => ways.map((way) => prefix + way))
    t.same(
      await pull(targets),
      targets.map(() => document),
    )
  })
}

t.test('a document in raw bytes that are not ASCII is no URL, and answers 400', async (t) => {
  t.match(await exchange(app, ...request('GET /kosync/syncs/progress/é', auth)), /^HTTP\/1\.1 400 /)
})

for (const [target, status] of [
  ['//kosync//healthcheck//', 200],
  ['/kosync/healthcheck/?x=//', 200],
  ['http://kss//kosync/healthcheck/', 200],
  ['/kosync/users//auth/', 200],
  ['/kosync/syncs/progress', 405],
  ['/kosync/syncs/progress/', 405],
  ['/kosync/syncs/progress/?x', 405],
  ['//', 404],
  ['/kosync/', 404],
] as const) {
  t.test(`${target} answers ${status}`, async (t) => {
    t.match(await exchange(app, ...request(`GET ${target}`, auth)), new RegExp(`^HTTP/1\\.1 ${status} `))
  })
}
