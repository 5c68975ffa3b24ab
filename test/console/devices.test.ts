import t from 'tap'
import { filenameMd5 } from '../../src/document-id.ts'
import { position, Reader } from '../helper.ts'
import { escaped, hostileTexts, push } from './library.ts'
import { openConsole } from './visitor.ts'

const now = Date.UTC(2030, 0, 1) / 1000
const day = 86_400

t.test('without a sync the page says how to set up a reader', async (t) => {
  const { reader } = openConsole(t, { basePath: '/sync' })
  const { body } = await (await reader()).get('/devices')
  t.match(body, 'No reader has synced yet. <a href="/sync/help">')
})

t.test('each reader is told with its first and last sync, and what it read last', async (t) => {
  const { reader, store } = openConsole(t, { basePath: '/sync' })
  const ann = await reader()
  const [emma, dune] = [{ title: 'Emma' }, { title: 'Dune' }]
  await push(
    store,
    'ann',
    { document: 'emma', metadata: emma, device: 'older', device_id: 'K', timestamp: now - 9 * day },
    { document: 'emma', device: 'old', device_id: 'K', percentage: 0.1, timestamp: now - 9 * day },
    { document: 'emma', device: 'Kobo', device_id: 'K', percentage: 0.2, timestamp: now - day },
    { document: 'emma', device: 'Kobo', device_id: 'K', percentage: 0.2, timestamp: now - 60 },
    { document: 'dune', metadata: dune, device: 'Phone', percentage: 0.5, timestamp: now - 3600 },
    { document: 'dune', device: 'kss', device_id: 'kss', percentage: 0.4, timestamp: now },
  )
  const { body } = await ann.get('/devices')
  const [kobo = '', phone = '', ...others] = body.split('<tbody>')[1]!.split('<tr>').slice(1)
  t.match(
    kobo,
    '<bdi>Kobo</bdi><br><small>before: <bdi>old</bdi>, <bdi>older</bdi></small><br><small>id <bdi>K</bdi></small>',
  )
  t.match(kobo, /Last sync"><time datetime="2029-12-31T23:59:00[^]*since <time datetime="2029-12-23T00:00:00/)
  t.match(kobo, '<a href="/sync/books/emma"><bdi>Emma</bdi></a>, 20 %')
  t.match(phone, /<bdi>Phone<\/bdi><\/th>[^]*<bdi>Dune<\/bdi><\/a>, 50 %/)
  t.same(others, [], 'going back is no reader')
  t.notMatch(body, 'Here twice')
})

t.test('readers that match books by different methods are told, with the cure', async (t) => {
  const { reader, store } = openConsole(t)
  const ann = await reader()
  const metadata = { title: 'Dune', filename: 'Dune.epub' }
  const other = { title: 'Emma', filename: 'Emma.epub' }
  await push(
    store,
    'ann',
    { document: 'c'.repeat(32), metadata, device: 'Kobo', timestamp: now - day },
    { document: 'e'.repeat(32), metadata: other, device: 'Kobo', timestamp: now - 2 * day },
    { document: filenameMd5('Dune.epub'), metadata, device: 'Kindle', timestamp: now - 60 },
    { document: 'e'.repeat(32), metadata: other, device: 'Both', timestamp: now - 2 * day },
    { document: filenameMd5('Dune.epub'), device: 'Both', timestamp: now - 3 * day },
  )
  const { body } = await ann.get('/devices')
  t.match(body, /Here twice<\/h2><ul><li><bdi>Dune<\/bdi>: <bdi>Kobo<\/bdi> matches books by content/)
  t.match(body, 'set <strong>Progress sync, Document matching method</strong> the same')
  const lines = body.split('<tbody>')[1]!.split('<tr>')
  for (const [device, words] of [
    ['Kobo', 'matches books by content<'],
    ['Kindle', 'matches books by file name<'],
    ['Both', 'matches books by content, and some by file name<'],
  ] as const) {
    t.match(
      lines.find((line) => line.includes(`<bdi>${device}</bdi>`)),
      words,
    )
  }
})

t.test('of many books that are here twice, the first are told', async (t) => {
  const { reader, store } = openConsole(t)
  const ann = await reader()
  const names = Array.from({ length: 50 }, (_, at) => `${at}.epub`)
  const twice = names.flatMap((filename, at) => [
    { document: filenameMd5(filename), metadata: { filename } },
    { document: `c${at}`, metadata: { filename } },
  ])
  await push(store, 'ann', ...twice)
  t.equal((await ann.get('/devices')).body.match(/join the two/g)?.length, 20)
})

t.test('of a large library the newest histories are read, and that of each oldest book', async (t) => {
  const { reader, store } = openConsole(t)
  const ann = await reader()
  const books = Array.from({ length: 1200 }, (_, at) => ({
    document: `b${at}`,
    device: `Kobo ${at % 2}`,
    timestamp: now - 1200 + at,
  }))
  const first = { document: 'b0', percentage: 0.01, device: 'Kobo 0', timestamp: now - 9 * day }
  await push(
    store,
    'ann',
    first,
    { document: 'b1199', percentage: 0.01, device: 'Phone', timestamp: now - day },
    ...books,
  )
  const read: string[] = []
  const listHistory = store.listHistory.bind(store)
  store.listHistory = (account, document) => (read.push(document), listHistory(account, document))
  const { body } = await ann.get('/devices')
  t.match(body, '/books/b1198"')
  t.match(body, /Kobo 0<[^]*since <time datetime="2029-12-23T00:00:00/, 'from the history of its oldest book')
  t.match(body, /<bdi>Phone<\/bdi>[^]*\/books\/b1199"/, 'although another reader has overtaken it')
  t.equal(read.length, 42)
  t.ok(['b1199', 'b1160', 'b0', 'b1'].every((document) => read.includes(document)))
})

t.test('a push is on the page at once', async (t) => {
  const { app, reader } = openConsole(t)
  const ann = await reader()
  for (const device of ['Kobo', 'Phone', 'Kobo 2']) {
    await new Reader(app, 'ann').update({ ...position, device, device_id: device, percentage: device.length / 100 })
    t.match((await ann.get('/devices')).body, `<bdi>${device}</bdi>`)
  }
  t.equal((await ann.get('/devices')).body.split('<th scope="row">').length - 1, 3)
})

t.test('what strangers named is shown as text', async (t) => {
  const { reader, store } = openConsole(t)
  const ann = await reader()
  for (const text of hostileTexts.slice(0, -1)) {
    await push(store, 'ann', { document: text, metadata: { title: text }, device: text, device_id: text })
  }
  const { body } = await ann.get('/devices')
  for (const text of hostileTexts.slice(0, -1)) t.equal(body.split(`<bdi>${escaped(text)}</bdi>`).length, 4, text)
  t.notMatch(body, /<script>|<img|onclick='|<b>/)
})
