import { readFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { Asker } from '../../src/upstream/ask.ts'
import { position } from '../helper.ts'
import { moveFrom } from './moving.ts'
import { listen, stub, stubJson, stubSocket, type Stub } from './stub.ts'
import { byName, usernamesOf } from '../store/by-name.ts'

const yes = '{"authorized":"OK"}'
const answer =
  (head: string, body = '') =>
  (socket: Socket) =>
    socket.end(`HTTP/1.1 ${head}\r\n\r\n${body}`)

/** Says yes for as long as somebody listens. */
function flood(response: ServerResponse): void {
  const more = (): void => {
    while (response.write(' '.repeat(16_384)));
    response.once('drain', more)
  }
  response.write(yes)
  more()
}

/** What never ends, so that only the time does. */
const endless: [string, (t: Test) => Promise<Stub>][] = [
  ['says nothing', (t) => stubSocket(t, () => undefined)],
  ['says half a head', (t) => stubSocket(t, (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-'))],
  ['sends half a body', (t) => stub(t, (response) => response.write(yes.slice(0, 5)))],
  ['sends all but the end of a body', (t) => stub(t, (response) => response.write(yes))],
  ['sends nothing but 100 Continue', (t) => stub(t, (response) => response.writeContinue())],
]

const broken: [string, (t: Test) => Promise<Stub>, reason?: string][] = [
  ['has a fault', (t) => stubJson(t, { authorized: 'OK' }, 500), 'answers 500 without what belongs to it'],
  ['is busy', (t) => stubJson(t, { authorized: 'OK' }, 503)],
  ['counts requests', (t) => stubJson(t, { authorized: 'OK' }, 429)],
  ['does not understand', (t) => stubJson(t, { authorized: 'OK' }, 400)],
  ['answers 201', (t) => stubJson(t, { authorized: 'OK' }, 201)],
  ['sends a web page', (t) => stub(t, (response) => response.end('<html>')), 'answers 200 without JSON'],
  ['sends nothing', (t) => stub(t, (response) => response.end())],
  ['sends a list', (t) => stubJson(t, [{ authorized: 'OK' }])],
  [
    'fails at the gate',
    (t) => stub(t, (r) => r.writeHead(502).end('<html>Bad Gateway</html>')),
    'answers 502 without what belongs to it',
  ],
  ['sends a text', (t) => stubJson(t, 'OK')],
  [
    'sends no UTF-8',
    (t) => stub(t, (response) => response.end(Buffer.from('{"authorized":"OK","a":"\xff"}', 'latin1'))),
  ],
  ['compresses', (t) => stub(t, (r) => r.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(yes)))],
  [
    'sends too much',
    (t) => stub(t, (response) => response.end(yes + ' '.repeat(65_536))),
    'answers more than 65536 bytes',
  ],
  ['sends without an end', (t) => stub(t, flood), 'answers more than 65536 bytes'],
  ['says less than it announces', (t) => stubSocket(t, answer('200 OK\r\nContent-Length: 99', yes))],
  ['hangs up', (t) => stubSocket(t, (socket) => socket.destroy())],
  ['resets the connection', (t) => stubSocket(t, (socket) => socket.resetAndDestroy())],
  ['speaks no HTTP', (t) => stubSocket(t, (socket) => socket.end('220 mail.example\r\n'))],
  ['switches protocols', (t) => stubSocket(t, answer('101 X\r\nConnection: upgrade\r\nUpgrade: x')), 'answers 101'],
  ['has too long a head', (t) => stubSocket(t, answer(`200 OK\r\nA: ${'a'.repeat(99_999)}`, yes))],
  ['is not there', async () => ({ origin: 'http://127.0.0.1:1', seen: [] }), 'ECONNREFUSED'],
  ['has a certificate of its own', listenTls, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
]

async function listenTls(t: Test): Promise<Stub> {
  // What would make Node take any certificate.
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
  t.teardown(() => delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'])
  const pem = await readFile(new URL('localhost.pem', import.meta.url))
  const server = https.createServer({ key: pem, cert: pem }, (_request, response) => response.end(yes))
  return { origin: (await listen(t, server)).replace('http:', 'https:'), seen: [] }
}

/** A store with a user whom the upstream had. */
async function adopted(key: string): Promise<MemoryStore> {
  const store = new MemoryStore()
  await store.createUser({ username: 'ann', key, adopted: true })
  return store
}

for (const [what, open, reason] of [...endless.map(([name, make]) => [name, make] as const), ...broken]) {
  const budgetMs = endless.some(([name]) => name === what) ? 100 : 30_000

  t.test(`when the old server ${what}, a log-in is a 503, and no account is made`, async (t) => {
    const { store, log, reader } = moveFrom(t, (await open(t)).origin, { budgetMs })
    const reply = await reader().authorize()
    t.equal(reply.statusCode, 503)
    t.equal(reply.headers['retry-after'], '5')
    t.same(await usernamesOf(store), [])
    t.match(log, [{ level: 40, reason: reason ?? /./, msg: 'the upstream is of no use now' }])
    t.notMatch(JSON.stringify(log), reader().key)
  })

  t.test(`when the old server ${what}, a pull is a 503, and nothing is stored`, async (t) => {
    const { origin } = await open(t)
    const store = await adopted(moveFrom(t, origin).reader().key)
    const auth = { hashKeys: false, scryptCost: 14, loginFailuresPerMinute: 0, registrationsPerHour: 0 }
    const { log, reader } = moveFrom(t, origin, { budgetMs, store }, { auth })
    const reply = await reader().get('abc')
    t.equal(reply.statusCode, 503)
    t.equal(await byName(store).getProgress('ann', 'abc'), undefined)
    t.equal(log.filter(({ level }) => level === 40).length, 1)
    t.equal((await reader().update(position)).statusCode, 200)
    t.match((await reader().get('abc')).json(), position)
  })
}

for (const status of [301, 302, 303, 307, 308]) {
  t.test(`a redirect with ${status} is not followed`, async (t) => {
    const target = await stubJson(t, { authorized: 'OK' })
    const { origin } = await stub(t, (response) =>
      response.writeHead(status, { location: `${target.origin}/users/auth` }).end(yes),
    )
    t.equal((await moveFrom(t, origin).reader().authorize()).statusCode, 503)
    t.same(target.seen, [])
  })
}

for (const body of [
  {},
  null,
  { authorized: true },
  { authorized: 'ok' },
  { authorized: 'NO' },
  { authorized: 'NO', username: 'ann' },
  { state: 'OK' },
  { username: 'Ann' },
  { username: true },
]) {
  t.test(`${JSON.stringify(body)} is no yes, and no no`, async (t) => {
    const { store, reader } = moveFrom(t, (await stubJson(t, body)).origin)
    t.equal((await reader().authorize()).statusCode, 503)
    t.same(await usernamesOf(store), [])
  })
}

for (const text of ['', 'ok', 'OK\n', 'OK, but not for you', 'Unauthorized', '<html>OK</html>']) {
  t.test(`200 with the text ${JSON.stringify(text)} is no yes, and no no`, async (t) => {
    const { store, reader } = moveFrom(t, (await stub(t, (response) => response.end(text))).origin)
    t.equal((await reader().authorize()).statusCode, 503)
    t.same(await usernamesOf(store), [])
  })
}

for (const status of [401, 403, 404]) {
  t.test(`${status} is a no`, async (t) => {
    const { log, reader } = moveFrom(t, (await stubJson(t, { authorized: 'OK' }, status)).origin)
    t.equal((await reader().authorize()).statusCode, 401)
    t.same(log, [])
  })

  t.test(`${status} to a pull is nothing`, async (t) => {
    const { origin, seen } = await stub(t, (response, { url }) =>
      url === '/users/auth' ? response.end(yes) : response.writeHead(status).end(),
    )
    const { reader } = moveFrom(t, origin)
    for (let round = 0; round < 2; round += 1) t.same((await reader().get('abc')).json(), {})
    t.equal(seen.length, 2)
  })
}

for (const [what, record] of [
  ['of another document', { ...position, document: 'def' }],
  ['with a percentage that is no number', { ...position, percentage: 'half' }],
] as const) {
  t.test(`a record ${what} is nothing, and the operator is told`, async (t) => {
    const { origin, seen } = await stub(t, (r, { url }) => r.end(url === '/users/auth' ? yes : JSON.stringify(record)))
    const { store, log, reader } = moveFrom(t, origin)
    for (let round = 0; round < 2; round += 1) t.same((await reader().get('abc')).json(), {})
    t.equal(await byName(store).getProgress('ann', 'abc'), undefined)
    t.equal(seen.length, 2)
    t.match(log.at(-1), { level: 40, reason: 'has a position of abc that no reader could have pushed' })
  })
}

t.test('a failure at a document is remembered for a minute, and told once a minute', async (t) => {
  let works = false
  const { origin, seen } = await stub(t, (response, { url }) => {
    if (url === '/users/auth') response.end(yes)
    else response.writeHead(works ? 200 : 502).end(JSON.stringify(position))
  })
  const { log, reader } = moveFrom(t, origin)
  for (const document of ['abc', 'abc', 'def']) t.equal((await reader().get(document)).statusCode, 503)
  t.equal(seen.length, 3)
  t.equal(log.filter(({ level }) => level === 40).length, 1)
  works = true
  const now = performance.now()
  t.intercept(performance, 'now', { value: () => now + 61_000 })
  t.match((await reader().get('abc')).json(), position)
})

t.test('one call has one time for all that it asks', async (t) => {
  // The log-in takes all of it, as the clock of the reply says.
  let late = 0
  const { origin } = await stub(t, (response) => {
    late = 60_000
    response.end(yes)
  })
  const { performance: clock } = globalThis
  const real = clock.now.bind(clock)
  t.intercept(clock, 'now', { value: () => real() + late })
  const { store, reader } = moveFrom(t, origin)
  t.equal((await reader().get('abc')).statusCode, 503)
  t.same(await usernamesOf(store), ['ann'])
})

t.test('eight are asked at a time, and the others wait no longer than they may', async (t) => {
  const waiting: ServerResponse[] = []
  const { origin, seen } = await stub(t, (response, { url }) =>
    url === '/users/auth' ? waiting.push(response) : response.end(yes),
  )
  const asker = new Asker(origin)
  const credentials = { username: 'ann', key: 'K' }
  const first = Array.from({ length: 8 }, () => asker.get('/users/auth', credentials, 60_000))
  while (seen.length < 8) await new Promise(setImmediate)
  await t.rejects(asker.get('/users/auth', credentials, 50), { message: 'does not answer in time' })
  t.equal(seen.length, 8)
  for (const response of waiting) response.end(yes)
  await Promise.all(first)
  // The one that waited too long has had its turn by now.
  await asker.get('/healthcheck', credentials, 60_000)
  t.equal(seen.filter(({ url }) => url === '/users/auth').length, 8)
})
