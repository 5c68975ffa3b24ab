import { readFile } from 'node:fs/promises'
import http, { type ServerResponse } from 'node:http'
import https from 'node:https'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Client } from '../../src/audiobookshelf/client.ts'
import { isFailure } from '../../src/audiobookshelf/failure.ts'
import { listen, stub as answering } from '../upstream/stub.ts'
import { AbsStub, type Fault } from './stub.ts'

const key = { apiKey: 'key-ann' }
const ebook = { ino: '1', size: 2000, mtimeMs: 1, format: 'epub', fileName: 'a.epub' }

function clientOf(t: Test, baseUrl: string, timeoutMs = 30_000): Client {
  const client = new Client({ baseUrl, timeoutMs })
  t.teardown(() => client.close())
  return client
}

async function start(t: Test, base = ''): Promise<{ stub: AbsStub; client: Client }> {
  const stub = await AbsStub.start(t, base)
  stub.addItem({ id: 'item-1', title: 'A Book', author: 'Ada', duration: 3600, ebook: Buffer.alloc(2000, 'x') })
  return { stub, client: clientOf(t, stub.url) }
}

/** A client of a server that answers everything in one way. */
async function against(t: Test, answer: (response: ServerResponse) => unknown): Promise<Client> {
  return clientOf(t, (await answering(t, answer)).origin)
}

function sends(status: number, text: string, headers = {}): (response: ServerResponse) => void {
  return (response) => response.writeHead(status, headers).end(text)
}

t.test('reads users, items, libraries, searches, progress and ebooks, under a path too', async (t) => {
  const { stub, client } = await start(t, '/audiobookshelf')
  t.equal(await client.getVersion(), '2.36.0')
  t.same(await client.getUser(key), { id: 'id-ann', username: 'ann' })
  t.match(await client.getItem(key, 'item-1'), { id: 'item-1', title: 'A Book', isBook: true, duration: 3600 })
  stub.addItem({ id: 'pod', title: 'Pod', mediaType: 'podcast', libraryId: 'lib-2' })
  t.same(await client.listLibraries(key), [{ id: 'lib-1', name: 'Library lib-1' }])
  t.same(await client.listEbookItems(key, 'lib-1', 0), { ids: ['item-1'], total: 1 })
  t.match(await client.search(key, 'lib-1', 'ada'), [{ id: 'item-1', author: 'Ada' }])
  t.equal(await client.getProgress(key, 'item-1'), undefined)
  t.equal(await client.patchProgress(key, 'item-1', { currentTime: 10, duration: 3600, progress: 1 / 360 }), undefined)
  t.match(await client.getProgress(key, 'item-1'), { currentTime: 10, duration: 3600, isFinished: false })
  t.equal(stub.seenOf('PATCH', /progress/)[0]?.headers['content-type'], 'application/json')
  t.equal(((await client.getEbookPart(key, 'item-1', 1024, 2000)) as Buffer).length, 976)
  t.equal(((await client.getEbook(key, 'item-1', ebook, 9000)) as Buffer).length, 2000)
})

t.test('sends the user token only when there is one', async (t) => {
  const { stub, client } = await start(t)
  await client.getUser(key)
  await client.getUser({ ...key, userToken: 'other' })
  t.same(
    stub.seen.map(({ headers }) => headers['x-abs-user-token']),
    [undefined, 'other'],
  )
})

t.test('each fault is a failure of its kind, which names no key', async (t) => {
  const { stub, client } = await start(t)
  const kinds: [Fault, string, RegExp][] = [
    ['reset', 'unreachable', /^cannot be reached: /],
    ['page502', 'serverError', /^answered 502$/],
    ['redirect', 'redirect', /redirect to http:\/\/elsewhere.invalid\/: set AUDIOBOOKSHELF_BASE_URL/],
    ['huge', 'tooLarge', /more than 262144 bytes/],
    ['tooMany', 'tooManyRequests', /for 7 s$/],
    ['refuse', 'refusedKey', /refused the key/],
    ['notJson', 'notJson', /without JSON/],
  ]
  for (const [fault, kind, text] of kinds) {
    stub.fault = fault
    const failure = await client.getProgress(key, 'item-1')
    t.match(failure, { kind, text }, fault)
    t.notMatch(JSON.stringify(failure), 'key-ann')
  }
  stub.fault = 'page502'
  for (const asked of [
    client.getVersion(),
    client.getUser(key),
    client.getItem(key, 'x'),
    client.listLibraries(key),
    client.listEbookItems(key, 'lib-1', 0),
    client.search(key, 'lib-1', 'q'),
    client.getEbookPart(key, 'x', 0, 1),
    client.getEbook(key, 'x', ebook, 9000),
    client.patchProgress(key, 'x', {}),
  ]) {
    t.ok(isFailure(await asked))
  }
})

t.test('an answer that hangs or drips ends with the time limit', async (t) => {
  const { stub } = await start(t)
  const client = clientOf(t, stub.url, 200)
  for (const fault of ['hang', 'drip'] as const) {
    stub.fault = fault
    t.match(await client.getProgress(key, 'item-1'), { kind: 'timeout', text: 'gave no whole answer in 200 ms' })
  }
})

t.test('a redirect is never followed, and only its origin and path are told', async (t) => {
  const other = await answering(t, sends(200, '{}'))
  const { stub, client } = await start(t)
  stub.fault = 'redirect'
  stub.redirectTo = `${other.origin}/x?token=secret#y`
  t.match(await client.getUser(key), { kind: 'redirect', text: new RegExp(`to ${other.origin}/x: `) })
  stub.redirectTo = '/login?next=secret'
  t.match(await client.getUser(key), { kind: 'redirect', text: /to \/login: / })
  t.same(other.seen, [])
  const without = await against(t, sends(304, ''))
  t.match(await without.getUser(key), { kind: 'redirect' })
})

t.test('403, 404 and 400 of Audiobookshelf are told from the pages of a proxy', async (t) => {
  const { stub, client } = await start(t)
  t.match(await client.getItem(key, 'none'), { kind: 'notFound', isOutage: false })
  stub.addItem({ id: 'hidden', title: 'H', hiddenFrom: ['ann'] })
  t.match(await client.getItem(key, 'hidden'), { kind: 'forbidden' })
  stub.addItem({ id: 'pod', title: 'Pod', mediaType: 'podcast' })
  t.match(await client.patchProgress(key, 'pod', {}), { kind: 'badRequest', text: 'answered 400: Bad Request' })
  for (const status of [400, 403, 404]) {
    const proxy = await against(t, sends(status, ' <html>No</html>'))
    t.match(await proxy.getItem(key, 'x'), { kind: 'serverError', text: `answered ${status}` })
  }
})

t.test('a 429 without a time, and one with a long one, have bounds', async (t) => {
  t.match(await (await against(t, sends(429, ''))).getUser(key), { retryAfter: 60 })
  t.match(await (await against(t, sends(429, '', { 'retry-after': '999999' }))).getUser(key), { retryAfter: 3600 })
})

t.test('an unknown host, a closed port and a protocol change are unreachable', async (t) => {
  t.match(await clientOf(t, 'http://kss.invalid').getUser(key), { kind: 'unreachable', isOutage: true })
  const { stub, client } = await start(t)
  await stub.down()
  t.match(await client.getUser(key), { kind: 'unreachable' })
  const upgrading = http.createServer()
  upgrading.on('connection', (socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => socket.write('HTTP/1.1 101 Other\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'))
  })
  t.match(await clientOf(t, await listen(t, upgrading)).getUser(key), { kind: 'unreachable', text: /answered 101/ })
})

t.test('a certificate that does not hold is told with its cure', async (t) => {
  const pem = await readFile(join(import.meta.dirname, '..', 'upstream', 'localhost.pem'))
  const server = https.createServer({ key: pem, cert: pem }, (_request, response) => response.end('{}'))
  const origin = await listen(t, server)
  const client = clientOf(t, origin.replace('http:', 'https:').replace('127.0.0.1', 'localhost'))
  t.match(await client.getUser(key), { kind: 'tls', text: /NODE_EXTRA_CA_CERTS/ })
})

t.test('what has other fields or other types is read as far as it goes', async (t) => {
  const json = (body: unknown) => against(t, sends(200, JSON.stringify(body)))
  t.match(await (await json([])).getProgress(key, 'x'), { kind: 'notJson' })
  t.match(await (await json({ lastUpdate: 5, currentTime: {} })).getProgress(key, 'x'), { kind: 'notJson' })
  t.same(
    await (
      await json({ lastUpdate: '5', currentTime: '2.5', ebookProgress: 5, ebookLocation: 12 })
    ).getProgress(key, 'x'),
    {
      currentTime: 2.5,
      duration: 0,
      ebookProgress: 1,
      ebookLocation: '12',
      isFinished: false,
      lastUpdate: 5,
    },
  )
  t.match(await (await json({ lastUpdate: 5, currentTime: -5, ebookLocation: {} })).getProgress(key, 'x'), {
    currentTime: 0,
    ebookLocation: undefined,
  })
  t.match(await (await json({ lastUpdate: 7 })).getProgress(key, 'x'), { currentTime: 0, lastUpdate: 7 })
  t.match(await (await json({ id: 'x' })).getItem(key, 'x'), { kind: 'notJson' })
  t.match(await (await json({ media: {} })).getItem(key, 'x'), { kind: 'notJson' })
  t.match(await (await json({ id: 'x', media: null })).getItem(key, 'x'), {
    duration: 0,
    chapters: [],
    ebook: undefined,
  })
  t.same(await (await json({ libraries: [5, { mediaType: 'book' }] })).listLibraries(key), [])
  t.same(await (await json({ results: [{ id: 'a' }, 5] })).listEbookItems(key, 'x', 0), { ids: ['a'], total: 0 })
  t.same(await (await json({ book: [{}] })).search(key, 'x', 'y'), [])
  t.equal(await (await json({})).getVersion(), '')
})

t.test('several tracks without chapters are chapters, one is none', async (t) => {
  const { stub, client } = await start(t)
  const tracks = [
    { index: 2, startOffset: 10, duration: 5, title: 'two' },
    { index: 1, startOffset: 0, duration: 10, title: 'one' },
  ]
  stub.addItem({ id: 'tracks', title: 'T', duration: 15, tracks })
  t.match(await client.getItem(key, 'tracks'), {
    chapters: [
      { start: 0, end: 10, title: 'one' },
      { start: 10, end: 15, title: 'two' },
    ],
  })
  stub.addItem({ id: 'one', title: 'T', duration: 10, tracks: tracks.slice(1) })
  t.same(((await client.getItem(key, 'one')) as { chapters: unknown }).chapters, [])
  stub.addItem({ id: 'chapters', title: 'T', chapters: [{ id: 0, start: 0.5, end: 9, title: 'C' }], tracks })
  t.match(await client.getItem(key, 'chapters'), { chapters: [{ start: 0.5, end: 9, title: 'C' }] })
  const untimed = await against(t, sends(200, JSON.stringify({ id: 'x', media: { duration: null, tracks } })))
  t.match(await untimed.getItem(key, 'x'), { duration: 15 })
  const media = { ebookFile: { metadata: { size: '7', ext: '.PDF' } } }
  const pdf = await against(t, sends(200, JSON.stringify({ id: 'x', media })))
  t.match(await pdf.getItem(key, 'x'), { ebook: { format: 'pdf', size: 7, ino: '', fileName: '' } })
})

t.test('an ebook that is not served, not whole or too long is not taken', async (t) => {
  const { stub, client } = await start(t)
  stub.addItem({ id: 'accel', title: 'X', ebook: Buffer.alloc(50), xAccel: true })
  t.equal(await client.getEbook(key, 'accel', { ...ebook, size: 50 }, 9000), undefined)
  t.equal(await client.getEbookPart(key, 'accel', 0, 50), undefined)
  t.equal(await client.getEbook(key, 'item-1', { ...ebook, size: 1999 }, 9000), undefined)
  t.match(await client.getEbook(key, 'item-1', { ...ebook, size: 2 ** 27 }, 9000), { kind: 'tooLarge' })
  t.match(await client.getEbookPart(key, 'item-1', 4096, 5000), { kind: 'serverError' })
})

t.test('tells how far the clocks are apart', async (t) => {
  const { stub, client } = await start(t)
  stub.ahead = 60_000
  await client.getUser(key)
  t.ok(Math.abs(client.clockDifference - 60_000) < 30_000)
  const server = http.createServer((_request, response) => {
    response.sendDate = false
    response.end('{}')
  })
  const dateless = clientOf(t, await listen(t, server))
  await dateless.getUser(key)
  t.equal(dateless.clockDifference, 0)
  let now = Date.now()
  const slow = new Client({ baseUrl: stub.url, timeoutMs: 30_000, now: () => (now += 6000) })
  t.teardown(() => slow.close())
  await slow.getUser(key)
  t.equal(slow.clockDifference, 0, 'a long answer says nothing')
})
