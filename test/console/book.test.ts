import t from 'tap'
import { filenameMd5 } from '../../src/document-id.ts'
import type { Progress } from '../../src/kosync/protocol.ts'
import { FileStore } from '../../src/store/file-store/file-store.ts'
import { Reader } from '../helper.ts'
import { folder } from '../commands/state-fixture.ts'
import { accountOf, adminByName } from '../store/by-name.ts'
import { escaped, hostileTexts, push } from './library.ts'
import { openConsole, type TestConsole, type Visitor } from './visitor.ts'

const now = Date.UTC(2030, 0, 1) / 1000
const day = 86_400

/** How the place in Dune changed: the Kobo spoilt it an hour ago. */
const changes: Partial<Progress>[] = [
  { percentage: 0.1, progress: 'p10', device: 'Phone', timestamp: now - 2 * day },
  { percentage: 0.43, progress: 'p43', device: 'Phone', timestamp: now - day },
  { percentage: 0.03, progress: 'p3', device: 'Kobo', timestamp: now - 3600 },
]

const recordOf = async ({ store }: TestConsole, document = 'abc'): Promise<Progress | undefined> =>
  await store.getProgress(await accountOf(store, 'ann'), document)

/** The value of the button with these words on the page that the visitor shows. */
const rowOf = ({ page }: Visitor, words: string): string =>
  new RegExp(`name="row" value="([^"]*)">${words}<`).exec(page)?.[1] ?? ''

async function dune(t: Parameters<typeof openConsole>[0], options: Parameters<typeof openConsole>[1] = {}) {
  const console = openConsole(t, options)
  const ann = await console.reader()
  await push(console.store, 'ann', ...changes.map((change) => ({ ...change, metadata: { title: 'Dune' } })))
  return { console, ann }
}

t.test('a book shows where it is, the chart, and each change with a way back to it', async (t) => {
  const { console, ann } = await dune(t, { basePath: '/sync' })
  await push(console.store, 'ann', { document: 'other', metadata: { title: 'Emma', authors: 'J. Austen' } })
  const { body, statusCode } = await ann.get('/books/abc')
  t.equal(statusCode, 200)
  t.match(body, '<h1>Dune</h1>')
  t.match(body, /At 3 % since <time datetime="2029-12-31T23:00:00.000Z"[^>]*>[^<]*<\/time>, <bdi>Kobo<\/bdi>\./)
  t.match(body, '<title id="chart-title">Progress from 10 % to 3 % in 3 changes by 2 readers</title>')
  const lines = body.split('<tbody>')[1]!.split('<tr>').slice(1)
  t.equal(lines.length, 3)
  t.match(lines[0], 'Here now')
  t.match(
    lines[1],
    /<button name="row" value="[\w-]{16}">Go back to 43 %<span class="unseen">, <time .*, <bdi>Phone<\/bdi><\/span>/,
  )
  t.match(lines[2], 'Go back to 10 %')
  t.match(body, 'action="/sync/books/abc/back"')
  t.notMatch(body, /role="status"|aria-label="Pages of changes"|here twice/)
  t.match((await ann.get('/books/other')).body, '<p><bdi>J. Austen</bdi></p>')
})

t.test('one tap goes back, another one takes that back', async (t) => {
  const { console, ann } = await dune(t)
  await ann.get('/books/abc')
  const row = rowOf(ann, 'Go back to 43 %')
  const back = await ann.post('/books/abc/back', { row })
  t.match(back, { statusCode: 303, headers: { location: '/books/abc' } })
  t.match(await recordOf(console), { progress: 'p43', percentage: 0.43, device: 'kss', timestamp: now })
  const { body } = await ann.get('/books/abc')
  t.match(body, 'The book is back at 43 %. Each reader takes it at its next sync.')
  t.match(body, /Undo: go to 3 %<span class="unseen">, <time .*, <bdi>Kobo<\/bdi><\/span>/)
  t.match(body, 'kss, put back')
  await ann.post('/books/abc/back', { row: rowOf(ann, 'Undo: go to 3 %') })
  t.match(await recordOf(console), { progress: 'p3', percentage: 0.03, device: 'kss', timestamp: now + 1 })
  await ann.get('/books/abc')
  t.ok(rowOf(ann, 'Undo: go to 43 %'), 'and so on')
})

t.test('what the quota kept out of the history is a change that can be undone', async (t) => {
  const dir = await folder(t)
  const store = await FileStore.open({ dir, history: true, onDamage: (error) => t.error(error) })
  t.teardown(() => store.close())
  const { app, visit } = openConsole(t, { store, settings: { admin: store.admin } })
  await store.createUser({ username: 'ann', key: new Reader(app).key })
  const ann = visit()
  await ann.signIn('ann')
  await push(store, 'ann', ...changes.slice(0, 2))
  await adminByName(store).setQuota('ann', { bytes: 1 })
  await t.rejects(push(store, 'ann', { document: 'new' }), { code: 'QUOTA_REACHED' })
  await push(store, 'ann', changes[2]!)
  for (let turns = 0; turns < 2; turns += 1) {
    const { body } = await ann.get('/books/abc')
    t.match(body, /<td class="number">3 %<.*Here now/)
    await ann.post('/books/abc/back', { row: rowOf(ann, 'Go back to 10 %') })
    await ann.get('/books/abc')
    await ann.post('/books/abc/back', { row: rowOf(ann, 'Undo: go to 3 %') })
    t.match(await store.getProgress(await accountOf(store, 'ann'), 'abc'), { progress: 'p3', device: 'kss' })
    // The history goes on.
    await adminByName(store).setQuota('ann', {})
  }
})

t.test('a second tap on the same button changes nothing', async (t) => {
  const { console, ann } = await dune(t)
  await ann.get('/books/abc')
  const row = rowOf(ann, 'Go back to 43 %')
  for (let taps = 0; taps < 2; taps += 1) {
    t.match(await ann.post('/books/abc/back', { row }), { statusCode: 303 })
    t.match(await recordOf(console), { progress: 'p43' })
  }
  t.equal((await console.store.listHistory(await accountOf(console.store, 'ann'), 'abc')).length, 4)
})

t.test('a position that is not there any more is said to be gone', async (t) => {
  const { console, ann } = await dune(t)
  await ann.get('/books/abc')
  for (const fields of [{ row: 'x' }, {}] as Record<string, string>[]) {
    const reply = await ann.post('/books/abc/back', fields)
    t.match(reply, { statusCode: 409, body: /This position is gone/ })
  }
  t.match(await recordOf(console), { progress: 'p3' })
})

t.test('a book of one change has nothing to go back to, and nothing to undo', async (t) => {
  const console = openConsole(t)
  const ann = await console.reader()
  await push(console.store, 'ann', {}, { document: 'restored', device: 'kss', device_id: 'kss' })
  t.notMatch((await ann.get('/books/abc')).body, 'Go back to')
  t.notMatch((await ann.get('/books/restored')).body, 'Undo')
})

t.test('words in the address that are no outcome tell nothing', async (t) => {
  const { console, ann } = await dune(t)
  for (const word of ['__proto__', 'constructor', 'toString', 'x']) {
    for (const { statusCode, body } of [
      await ann.get(`/books/abc?done=${word}`),
      await console.visit().get(`/?done=${word}`),
    ]) {
      t.equal(statusCode, 200, word)
      t.notMatch(body, /role="status"/, word)
    }
  }
})

t.test('many changes come in pages', async (t) => {
  const console = openConsole(t)
  const ann = await console.reader()
  const many = Array.from({ length: 120 }, (_, at) => ({
    progress: `${at}`,
    percentage: at / 200,
    timestamp: 1e9 + at,
  }))
  await push(console.store, 'ann', ...many)
  for (const [query, page, links] of [
    ['', 1, ['2']],
    ['?page=2', 2, ['1', '3']],
    ['?page=9', 3, ['2']],
    ['?page=0', 1, ['2']],
    ['?page=x', 1, ['2']],
  ] as const) {
    const { body } = await ann.get(`/books/abc${query}`)
    t.match(body, `Page ${page} of 3`)
    t.same(
      [...body.matchAll(/href="\/books\/abc\?page=(\d)#changes"/g)].map(([, to]) => to),
      links,
    )
  }
  await ann.get('/books/abc?page=3')
  await ann.post('/books/abc/back', { row: rowOf(ann, 'Go back to 5 %') })
  t.match(await recordOf(console), { percentage: 0.05 })
})

t.test('a person gives a book a title, and takes it away', async (t) => {
  const { console, ann } = await dune(t)
  const give = async (title: string): Promise<string> => {
    await ann.get('/books/abc')
    const reply = await ann.post('/books/abc/title', { title })
    t.match(reply, { statusCode: 303, headers: { location: '/books/abc?done=named' } })
    return (await ann.get('/books/abc?done=named')).body
  }
  const body = await give(' Der Wüstenplanet ')
  t.match(body, '<h1>Der Wüstenplanet</h1>')
  t.match(body, 'role="status">The title is saved.')
  t.match(body, 'value="Der Wüstenplanet"')
  t.match(await recordOf(console), { title: 'Der Wüstenplanet' })
  await give('x'.repeat(600))
  t.match(await recordOf(console), { title: /^x{500}…$/ })
  t.match(await give(''), '<h1>Dune</h1>')
  t.notOk((await recordOf(console))?.title)
  await ann.post('/books/abc/title')
  t.notOk((await recordOf(console))?.title)
})

t.test('a book is removed after a question', async (t) => {
  const { console, ann } = await dune(t)
  const { body } = await ann.get('/books/abc/remove')
  t.match(body, '<h1>Remove Dune?</h1>')
  t.match(body, 'goes with its 3 changes')
  t.match(body, '<a href="/books/abc">Keep it</a>')
  t.match(await ann.post('/books/abc/remove'), { statusCode: 303, headers: { location: '/books?done=removed' } })
  t.equal(await recordOf(console), undefined)
  t.match((await ann.get('/books?done=removed')).body, 'The book is removed.')
  await push(console.store, 'ann', {})
  t.match((await ann.get('/books/abc/remove')).body, 'goes with its one change')
})

t.test('what cannot be undone needs the password again after a while', async (t) => {
  const { console, ann } = await dune(t)
  await push(console.store, 'ann', { document: 'x', metadata: { title: 'Dune' } })
  console.clock.now += 16 * 60_000
  await ann.get('/books/abc/join?with=x')
  const asked = await ann.post('/books/abc/join', { with: 'x', keep: 'x' })
  t.match(asked, { statusCode: 403, body: /Type your password again/ })
  await ann.get('/books/abc/remove')
  t.match(await ann.post('/books/abc/remove'), { statusCode: 403, body: /Type your password again/ })
  t.ok(await recordOf(console))
  const fields = { 'password-again': 'secret' }
  t.match(await ann.post('/books/abc/remove', fields), { statusCode: 303 })
  t.equal(await recordOf(console), undefined)
})

t.test('the id, and what it was made of, are told', async (t) => {
  const console = openConsole(t)
  const ann = await console.reader()
  const id = filenameMd5('Dune.epub')
  const metadata = { filename: 'Dune.epub' }
  await push(console.store, 'ann', { document: id, metadata })
  t.match((await ann.get(`/books/${id}`)).body, 'made of the file’s name, <bdi>Dune.epub</bdi>')
  await push(console.store, 'ann', { document: 'c'.repeat(32), metadata })
  t.match((await ann.get(`/books/${'c'.repeat(32)}`)).body, 'made of the file’s content: another reader')
  await push(console.store, 'ann', { document: 'mine' })
  t.match(
    (await ann.get('/books/mine')).body,
    '<code><bdi>mine</bdi></code>. It was made of the file’s content or of its',
  )
})

t.test('a book that this person does not have is not found, whoever else has it', async (t) => {
  const console = openConsole(t)
  await console.reader('bob')
  await push(console.store, 'bob', {})
  const ann = await console.reader()
  await push(console.store, 'ann', { document: 'own' })
  for (const id of ['abc', 'none', '~', '~Li4', 'x'.repeat(5000), '%F0%9F%90%9B', '%00']) {
    for (const page of ['', '/remove', '/join?with=own']) {
      const { statusCode, body } = await ann.get(`/books/${id}${page}`)
      t.equal(statusCode, 404, id)
      t.match(body, 'There is no such book')
    }
  }
  t.equal((await ann.get('/books/own/join?with=abc')).statusCode, 404)
  t.equal((await ann.get('/books/own/join')).statusCode, 404)
  await ann.get('/books/own')
  for (const [path, fields] of [
    ['/books/abc/back', { row: 'x' }],
    ['/books/abc/title', { title: 'x' }],
    ['/books/abc/remove', {}],
    ['/books/abc/join', { with: 'own' }],
    ['/books/own/join', { with: 'abc', keep: 'own' }],
  ] as [string, Record<string, string>][]) {
    t.equal((await ann.post(path, fields)).statusCode, 404, path)
  }
  t.match(await console.store.getProgress(await accountOf(console.store, 'bob'), 'abc'), { device: 'kpw' })
})

const byName = filenameMd5('Dune.epub')
const byContent = 'c'.repeat(32)
const metadata = { title: 'Dune', filename: 'Dune.epub' }

/** Dune by content on the Kobo, and later by file name on the Kindle. */
const twice: Partial<Progress>[] = [
  { document: byContent, metadata, device: 'Kobo', percentage: 0.2, timestamp: now - day },
  { document: byName, metadata, device: 'Kindle', percentage: 0.4, timestamp: now - 60 },
]

t.test('two ids of one book are said with the cure, and joined', async (t) => {
  for (const [keep, other] of [
    [byContent, byName],
    [byName, byContent],
  ] as const) {
    const console = openConsole(t, { basePath: '/sync' })
    const ann = await console.reader()
    await push(console.store, 'ann', ...twice)
    for (const document of [byContent, byName]) {
      const { body } = await ann.get(`/books/${document}`)
      t.match(
        body,
        'This book is here twice. <bdi>Kobo</bdi> matches books by content (Binary), <bdi>Kindle</bdi> by file name',
      )
      t.match(body, `<a href="/sync/books/${byContent}/join?with=${byName}">join the two</a>`)
    }
    const { body } = await ann.get(`/books/${byContent}/join?with=${byName}`)
    t.match(body, /<li><bdi>Dune<\/bdi>: 20 %.*Kobo.*<\/li>[^]*<li><bdi>Dune<\/bdi>: 40 %.*Kindle/)
    t.match(body, `value="${byContent}">By content (Binary)</button>`)
    t.match(body, `value="${byName}">By file name (Filename)</button>`)
    const reply = await ann.post(`/books/${byContent}/join`, { with: byName, keep })
    t.match(reply, { statusCode: 303, headers: { location: `/sync/books/${keep}?done=joined` } })
    t.match(await recordOf(console, keep), { percentage: 0.4 })
    t.equal(await recordOf(console, other), undefined)
    t.match((await ann.get(`/books/${keep}?done=joined`)).body, 'The two are one book now.')
  }
})

t.test('a reader that changed its method, and one that nobody knows, are told in other words', async (t) => {
  const console = openConsole(t)
  const ann = await console.reader()
  await push(console.store, 'ann', ...twice.map((each) => ({ ...each, device: 'Kobo' })))
  t.match(
    (await ann.get(`/books/${byName}`)).body,
    '<bdi>Kobo</bdi> matched it by content (Binary), and at another time by',
  )
  await push(console.store, 'ann', { ...twice[0], device: 'kss', device_id: 'kss' })
  t.match(
    (await ann.get(`/books/${byName}`)).body,
    'One reader matches books by content (Binary), <bdi>Kobo</bdi> by file name',
  )
})

t.test('books of one title are told, and joined where the newer one is', async (t) => {
  const console = openConsole(t)
  const ann = await console.reader()
  await push(
    console.store,
    'ann',
    { document: 'old', metadata: { title: 'Dune' }, timestamp: now - day },
    { document: 'new', metadata: { title: 'Dune' }, percentage: 0.7, timestamp: now - 60 },
  )
  const { body } = await ann.get('/books/old')
  t.match(body, /<a href="\/books\/new">Another book<\/a> has the same title: 70 %/)
  t.match(body, '<a href="/books/old/join?with=new">join the two</a>')
  for (const path of ['/books/old/join?with=new', '/books/new/join?with=old']) {
    t.match((await ann.get(path)).body, 'name="keep" value="new">Join them</button>')
  }
  t.match(await ann.post('/books/new/join', { with: 'old', keep: 'new' }), {
    headers: { location: '/books/new?done=joined' },
  })
  t.equal(await recordOf(console, 'old'), undefined)
})

t.test('a book is not joined with itself', async (t) => {
  const { console, ann } = await dune(t)
  const page = await ann.get('/books/abc/join?with=abc')
  t.match(page, { statusCode: 409, body: /nothing to join/ })
  t.notMatch(page.body, 'Join them')
  await ann.get('/books/abc')
  t.match(await ann.post('/books/abc/join', { with: 'abc' }), { statusCode: 409, body: /nothing to join/ })
  t.match(await recordOf(console), { progress: 'p3' })
})

t.test('what strangers named is shown as text', async (t) => {
  const console = openConsole(t)
  const ann = await console.reader()
  for (const text of hostileTexts) {
    const document = filenameMd5(text)
    const named = { title: text, authors: text, filename: text }
    await push(console.store, 'ann', { document, metadata: named, device: text }, { document: text, metadata: named })
    for (const page of ['', '/remove', `/join?with=~${Buffer.from(text).toString('base64url')}`]) {
      const { body, statusCode } = await ann.get(`/books/${document}${page}`)
      t.equal(statusCode, 200, text)
      t.notMatch(body, /<script>|<img|onclick='|<b>/, text)
      if (page === '') t.match(body, `<bdi>${escaped(text)}</bdi>`, text)
    }
  }
})
