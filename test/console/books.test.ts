import t from 'tap'
import { filenameMd5 } from '../../src/document-id.ts'
import { escaped, hostileTexts, push } from './library.ts'
import { openConsole } from './visitor.ts'

t.test('without a book the page says how to get one', async (t) => {
  const { reader } = openConsole(t, { basePath: '/sync' })
  const { statusCode, body } = await (await reader()).get('/books')
  t.equal(statusCode, 200)
  t.match(body, 'No books yet. Open one on your reader, and sync. <a href="/sync/help">')
  t.notMatch(body, /<table|type="search"/)
})

t.test('a book is a row with its title, author, progress, last reader and time', async (t) => {
  const { reader, store } = openConsole(t, { basePath: '/sync' })
  const ann = await reader()
  const metadata = { title: 'Emma', authors: 'Jane Austen' }
  await push(store, 'ann', { metadata, device: 'Kobo', percentage: 0.43, timestamp: 1_800_000_000 })
  const { body } = await ann.get('/books')
  t.match(body, '<a href="/sync/books/abc"><bdi>Emma</bdi></a><br><small><bdi>Jane Austen</bdi></small>')
  t.match(body, '43 %')
  t.match(body, /<time datetime="2027-01-15T08:00:00.000Z".*<bdi>Kobo<\/bdi>/)
  t.notMatch(body, 'aria-label="Pages"')
})

t.test('a person sees no book of another one', async (t) => {
  const { reader, store } = openConsole(t)
  await reader('bob')
  await push(store, 'bob', { title: 'Secret' })
  t.match(await (await reader()).get('/books'), { body: /No books yet/ })
})

t.test('books are searched, and shown by shelf; links keep both', async (t) => {
  const { reader, store } = openConsole(t)
  const ann = await reader()
  await push(
    store,
    'ann',
    { document: 'a', metadata: { title: 'Émile & Zoë' } },
    { document: 'b', metadata: { title: 'Emma' }, percentage: 1 },
  )
  const emile = '<bdi>Émile &amp; Zoë</bdi>'
  const emma = '<bdi>Emma</bdi>'
  for (const [query, has, hasNot] of [
    ['', emile, undefined],
    ['?shelf=reading', emile, emma],
    ['?shelf=finished', emma, emile],
    ['?shelf=elsewhere', emile, undefined],
    ['?q=emile+zoe', emile, emma],
    ['?q=em&shelf=finished', emma, emile],
  ] as const) {
    const { body } = await ann.get(`/books${query}`)
    t.match(body, has, query)
    if (hasNot !== undefined) t.notMatch(body, hasNot, query)
  }
  const { body } = await ann.get('/books?q=em%26&shelf=finished&page=2')
  t.match(body, '<a href="/books?q=em%26">All 0</a>')
  t.match(body, '<a href="/books?q=em%26&amp;shelf=reading">Reading 0</a>')
  t.match(body, '<a href="/books?q=em%26&amp;shelf=finished" aria-current="true">Finished 0</a>')
  t.match(body, 'value="em&amp;"')
  t.match(body, '<input type="hidden" name="shelf" value="finished">')
})

t.test('a search and a shelf without books say so, and how to see all', async (t) => {
  const { reader, store } = openConsole(t)
  const ann = await reader()
  await push(store, 'ann', { percentage: 0.5 })
  const all = '<a href="/books">Show all books</a>'
  for (const [query, text] of [
    ['?q=%3Cb%3E', `No book here has <bdi>&lt;b&gt;</bdi> in its title, author or file name. ${all}`],
    ['?shelf=finished', `No book is finished yet: 98 % is enough. ${all}`],
  ] as const) {
    t.match((await ann.get(`/books${query}`)).body, text)
  }
  await push(store, 'ann', { percentage: 1 })
  t.match((await ann.get('/books?shelf=reading')).body, `All books are finished. ${all}`)
})

t.test('300 books come in pages', async (t) => {
  const { reader, store } = openConsole(t)
  const ann = await reader()
  const books = Array.from({ length: 300 }, (_, at) => ({ document: `book${at}`, timestamp: 10_000 - at }))
  await push(store, 'ann', ...books)
  for (const [query, first, page, links] of [
    ['', 'book0', 1, ['page=2']],
    ['?page=2', 'book50', 2, ['', 'page=3']],
    ['?page=6', 'book250', 6, ['page=5']],
    ['?page=99', 'book250', 6, ['page=5']],
    ['?page=-1', 'book0', 1, ['page=2']],
    ['?page=x', 'book0', 1, ['page=2']],
    ['?page=1.5', 'book0', 1, ['page=2']],
  ] as const) {
    const { body } = await ann.get(`/books${query}`)
    const [, pages = ''] = body.split('aria-label="Pages"')
    t.match(body.split('<tbody>')[1], new RegExp(`^<tr>.*>${first}<`), query)
    t.match(pages, `Page ${page} of 6`, query)
    const found = [...pages.matchAll(/href="\/books\??([^"]*)"/g)].map(([, link]) => link)
    t.same(found, links, query)
  }
})

t.test('2,000 books are a page of less than 100 kB', async (t) => {
  const { reader, store } = openConsole(t)
  const ann = await reader()
  const books = Array.from({ length: 2000 }, (_, at) => ({
    document: filenameMd5(`${at}`),
    metadata: { title: `A title of a usual length, part ${at}`, authors: 'Some Author', filename: `${at}` },
  }))
  await push(store, 'ann', ...books)
  for (const query of ['', '?q=title', '?page=20']) {
    const { body } = await ann.get(`/books${query}`)
    t.ok(body.length < 100_000, `${body.length} bytes`)
  }
})

t.test('two ids of one book are told apart', async (t) => {
  const { reader, store } = openConsole(t)
  const ann = await reader()
  const metadata = { title: 'Dune', filename: 'Dune.epub', authors: 'Frank Herbert' }
  await push(
    store,
    'ann',
    { document: 'c'.repeat(32), metadata },
    { document: filenameMd5('Dune.epub'), metadata },
    { document: 'x', metadata: { title: 'Emma' } },
  )
  const { body } = await ann.get('/books')
  t.match(body, '<small><bdi>Frank Herbert</bdi> · twice here: this one by content</small>')
  t.match(body, 'twice here: this one by file name')
  t.equal(body.match(/twice here/g)?.length, 2)
})

t.test('no more than 200 books are told to be here twice', async (t) => {
  const { reader, store } = openConsole(t)
  const ann = await reader()
  const names = Array.from({ length: 300 }, (_, at) => `${at}.epub`)
  const twice = names.flatMap((filename, at) => [
    { document: filenameMd5(filename), metadata: { filename }, timestamp: 5000 - at },
    { document: `c${at}`, metadata: { filename }, timestamp: 5000 - at },
  ])
  await push(store, 'ann', ...twice)
  let told = 0
  for (let page = 1; page <= 12; page += 1) {
    told += (await ann.get(`/books?page=${page}`)).body.match(/twice here/g)?.length ?? 0
  }
  t.equal(told, 200)
})

t.test('what strangers named is shown as text', async (t) => {
  const { reader, store } = openConsole(t)
  const ann = await reader()
  for (const [at, text] of hostileTexts.entries()) {
    await push(store, 'ann', { document: text, metadata: { title: `${text} ${at}`, authors: text }, device: text })
  }
  const { body } = await ann.get('/books')
  for (const text of hostileTexts.slice(0, -1)) {
    t.match(body, `<bdi>${escaped(text)} `, text)
    t.match(body, `<small><bdi>${escaped(text)}</bdi></small>`, text)
  }
  t.match(body, `<bdi>${'x'.repeat(200)}…</bdi>`)
  t.notMatch(body, /<script>|<img|onclick='/)
  const links = [...body.matchAll(/href="(\/books\/[^"]*)"/g)].map(([, link = '']) => link)
  t.equal(links.length, hostileTexts.length)
  for (const link of links) t.equal((await ann.get(link)).statusCode, 200, link)
})

t.test('whoever is not signed in is sent to the first page', async (t) => {
  const { visit } = openConsole(t)
  for (const path of ['/books', '/books/abc', '/books/abc/remove', '/books/abc/join', '/devices']) {
    t.match(await visit().get(path), { statusCode: 303, headers: { location: `/?next=${encodeURIComponent(path)}` } })
  }
})

t.test('a time that nobody can live to see is no error', async (t) => {
  const { reader, store } = openConsole(t)
  const ann = await reader()
  await push(store, 'ann', { timestamp: 1e13 }, { document: 'old', timestamp: -1e300 })
  t.match(await ann.get('/books'), { statusCode: 200, body: /an unknown time/ })
  t.equal((await ann.get('/books/abc')).statusCode, 200)
  t.equal((await ann.get('/books/old')).statusCode, 200)
  t.equal((await ann.get('/devices')).statusCode, 200)
})
