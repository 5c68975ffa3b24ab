import { mkdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { SettingsEditor } from '../../src/audiobookshelf/settings-editor.ts'
import { SettingsFile } from '../../src/audiobookshelf/settings-file.ts'
import type { Values } from '../../src/audiobookshelf/settings.ts'
import type { Account } from '../../src/store/store.ts'
import { accountOf } from '../store/by-name.ts'
import type { Visitor } from '../console/visitor.ts'
import { book, digest } from './bridged.ts'
import { openBridgedConsole, type BridgedConsole } from './bridged-console.ts'
import { AbsStub } from './stub.ts'

const key = 'key-of-ann-0123456789'

interface Started extends BridgedConsole {
  stub: AbsStub
  ann: Visitor
  account: Account
  /** A reader's push. */
  push: (document: string, title?: string) => Promise<void>
  /** Resolves when the bridge does nothing. */
  idle: () => Promise<void>
}

async function start(t: Test, more: Values = {}): Promise<Started> {
  const stub = await AbsStub.start(t)
  stub.addUser(key, 'ann')
  stub.addItem(book)
  const opened = openBridgedConsole(t, {
    AUDIOBOOKSHELF_BASE_URL: stub.url,
    AUDIOBOOKSHELF_USER_MAP: JSON.stringify({ ann: key }),
    ...more,
  })
  const ann = await opened.reader('ann')
  const account = await accountOf(opened.store, 'ann')
  await mkdir(join(opened.dir, account.folder))
  const { store, bridge } = await opened.bridged()
  const push = async (document: string, title = ''): Promise<void> => {
    const timestamp = Math.floor(Date.now() / 1000)
    const position = { progress: '/body/DocFragment[3].0', percentage: 0.4, device: 'kobo', timestamp }
    await store.putProgress(account, { document, ...position, metadata: { title } })
    await bridge.idle()
  }
  return { ...opened, stub, ann, account, push, idle: () => bridge.idle() }
}

async function asOperator({ store, ann, account }: Pick<Started, 'store' | 'ann' | 'account'>): Promise<void> {
  await store.setAdmin(account, true)
  await ann.signIn('ann')
}

t.test('a reader sees the own books, what they are linked to, and what was done', async (t) => {
  const started = await start(t)
  const { ann, push, idle, stub } = started
  t.match((await ann.get('/audiobookshelf')).body, /No reader has synced a book yet/)
  t.match(ann.page, /aria-current="page"[^>]*>Audiobookshelf/)
  await push(digest, 'A Book')
  await idle()
  await push(digest, 'A Book')
  await push('like', 'A Book')
  await push('other')
  const { length } = stub.seen
  const { body } = await ann.get('/audiobookshelf')
  t.match(body, /linked: the same file/)
  t.match(body, /Listener: 0:20:00/)
  t.match(body, /<small>[^<]*by chapters, <time/)
  t.match(body, /Is it <bdi>A Book<\/bdi>\?/)
  t.match(body, /not linked/)
  t.match(body, /pushed/)
  t.equal(stub.seen.length, length, 'no request for a page')
  t.match((await ann.get('/audiobookshelf?from=2')).body, /data-label="Reader"/)
  t.notMatch((await ann.get('/audiobookshelf?from=3')).body, /data-label="Reader"/)
})

t.test('what waits, what is held and what is wrong is told', async (t) => {
  const { ann, push, stub, bridged, account, idle } = await start(t, {
    AUDIOBOOKSHELF_DOCUMENT_MAP: JSON.stringify({ [digest]: book.id, lost: 'item-lost' }),
  })
  const { bridge } = await bridged()
  await push('lost')
  await idle()
  stub.move('ann', book.id, { currentTime: 3500, lastUpdate: Date.now() - 200_000 })
  await push(digest)
  await idle()
  const held = (await ann.get('/audiobookshelf')).body
  t.match(held, /Held: the reader may have an old page/)
  t.match(held, /the item is gone/)
  t.match(held, /linked by the settings/)
  await bridge.parts.links.obstruct(account, book.id, 'notAllowed')
  t.match((await ann.get('/audiobookshelf')).body, /you may not see the item/)
  await bridge.parts.links.clear(account, [book.id])
  await stub.down()
  await push(digest)
  const { body } = await ann.get('/audiobookshelf')
  t.match(body, /Audiobookshelf cannot be reached/)
  t.match(body, /Waits to be sent/)
  t.match(body, /Yours to be sent: 1\./)
  await push('lost')
  const { key: own } = (await bridge.linker.linkOf(account, digest))!
  bridge.parts.access.refuse(own)
  t.match((await ann.get('/audiobookshelf')).body, /Audiobookshelf refused your key/)
  for (let n = 0; n < 100; n += 1) await push(`book-${n}`)
  t.match((await ann.get('/audiobookshelf')).body, /audiobookshelf\?from=100">Earlier books/)
})

t.test('a reader links, searches and unlinks', async (t) => {
  const { ann, push, stub, idle } = await start(t)
  const path = '/audiobookshelf/books/other'
  await push('other', 'Another')
  t.equal((await ann.post('/audiobookshelf/look')).headers.location, '/audiobookshelf?done=look')
  await idle()
  t.match((await ann.get('/audiobookshelf?done=look')).body, /kss is looking/)
  const { length } = stub.seen
  t.match((await ann.get(path)).body, /This book is not linked/)
  t.equal(stub.seen.length, length, 'no request without a search')
  t.match((await ann.get(`${path}?q=nothing+at+all`)).body, /Nothing was found/)
  t.match((await ann.get(`${path}?q=book+Ada`)).body, new RegExp(`name="item" value="${book.id}"`))
  t.match((await ann.get(`${path}?q=A+Book`)).body, /Found/)
  const link = (fields: Record<string, string>) =>
    ann.post(`${path}/link`, { token: ann.tokenFor('/sign-out'), ...fields })
  t.match(await link({ item: 'none' }), { statusCode: 400, body: /has no such item/ })
  t.match(await link({}), { statusCode: 400, body: /is no id of an item/ })
  await ann.get(path)
  t.equal((await link({ item: book.id })).statusCode, 303)
  t.match((await ann.get('/audiobookshelf')).body, /linked by hand: <bdi>A Book/)
  t.match((await ann.get(path)).body, /Do not link this book/)
  t.equal((await ann.post(`${path}/unlink`)).statusCode, 303)
  t.match((await ann.get(path)).body, /This book is not linked[^]*Let kss find what it is/)
  t.equal((await ann.post(`${path}/leave`)).statusCode, 303)
  t.notMatch((await ann.get(path)).body, /Let kss find what it is/)
  await push('like', 'A Book')
  t.match((await ann.get('/audiobookshelf/books/like')).body, /It may be/)
  stub.fault = 'page502'
  t.match((await ann.get(`${path}?q=book`)).body, /Audiobookshelf answered 502/)
  stub.faulty = (asked) => asked.includes('/search')
  t.match((await ann.get(`${path}?q=book`)).body, /Audiobookshelf answered 502/)
  t.equal((await ann.get('/audiobookshelf/books/none')).statusCode, 404)
})

t.test('covers come through kss, with the key of the reader, and are images', async (t) => {
  const { ann, push, stub } = await start(t)
  await push('other', 'Another')
  const cover = Buffer.from([0xff, 0xd8])
  stub.addItem({ ...book, cover })
  const { body } = await ann.get('/audiobookshelf/books/other?q=A+Book')
  const path = `/audiobookshelf/covers/${book.id}`
  t.match(body, `<img src="${path}" alt=""`)
  const answer = await ann.get(path)
  t.match(answer, { statusCode: 200, headers: { 'content-type': 'image/jpeg' } })
  t.same(answer.rawPayload, cover)
  t.match(stub.seenOf('GET', /cover/), [{ username: 'ann' }])
  stub.addItem({ ...book, cover, coverType: 'text/html' })
  t.equal((await ann.get(path)).statusCode, 404)
  stub.addItem({ ...book, hiddenFrom: ['ann'] })
  t.equal((await ann.get(path)).statusCode, 404)
  const { length } = stub.seen
  t.equal((await ann.get('/audiobookshelf/covers/..%2Fme')).statusCode, 404)
  t.equal(stub.seen.length, length)
})

t.test('the date of a secret is that of its last change here, and goes with it', async (t) => {
  const dir = t.testdir({})
  const file = new SettingsFile(dir)
  const editor = new SettingsEditor({
    environment: { AUDIOBOOKSHELF_BASE_URL: 'http://localhost', AUDIOBOOKSHELF_USER_TOKEN: 'of-the-environment' },
    file,
    readFile: () => '',
    onChange: () => undefined,
    now: () => 1_800_000_000_500,
  })
  const dateOf = (name: string): unknown => editor.list().find((each) => each.name === name)?.date
  await editor.change({ AUDIOBOOKSHELF_API_KEY: 'a', AUDIOBOOKSHELF_DEVICE_NAME: 'x' })
  await editor.setKey('ann', 'b')
  t.equal(dateOf('AUDIOBOOKSHELF_API_KEY'), 1_800_000_000)
  t.equal(dateOf('AUDIOBOOKSHELF_DEVICE_NAME'), undefined)
  t.equal(dateOf('AUDIOBOOKSHELF_USER_TOKEN'), undefined)
  t.match(editor.listKeys(), [{ username: 'ann', date: 1_800_000_000 }])
  await editor.change({ AUDIOBOOKSHELF_API_KEY: undefined })
  await editor.setKey('ann', '')
  t.equal(dateOf('AUDIOBOOKSHELF_API_KEY'), undefined)
  t.notOk(file.dates().has('AUDIOBOOKSHELF_USER_MAP ann'))
})

t.test('who has no key is told so, and finds nothing', async (t) => {
  const started = await start(t, { AUDIOBOOKSHELF_USER_MAP: '{}' })
  const { ann, push, stub } = started
  await push('other')
  t.match((await ann.get('/audiobookshelf')).body, /You have no key of Audiobookshelf yet/)
  t.notMatch(ann.page, /audiobookshelf\/settings/)
  await ann.post('/audiobookshelf/look')
  t.match((await ann.get('/audiobookshelf/books/other?q=book')).body, /Nothing was found/)
  await asOperator(started)
  t.match((await ann.get('/audiobookshelf')).body, /audiobookshelf\/settings/)
  t.equal(stub.seen.length, 0)
})

t.test('an operator changes settings, which are in force at once and tell no secret', async (t) => {
  const started = await start(t)
  const { ann, bridged, dir, stub, reader } = started
  await reader('bob')
  await asOperator(started)
  const { bridge } = await bridged()
  const change = (name: string, value: string) => ann.post('/audiobookshelf/settings', { name, value })
  t.match((await ann.get('/audiobookshelf')).body, /audiobookshelf\/settings/)
  const first = (await ann.get('/audiobookshelf/settings')).body
  t.match(first, /ends in …6789/)
  t.notMatch(first, key)
  t.notMatch(first, /Reset: Milliseconds/)
  t.equal((await change('AUDIOBOOKSHELF_HTTP_TIMEOUT', '1234')).statusCode, 303)
  t.equal(bridge.parts.settings().timeoutMs, 1234)
  t.match((await ann.get('/audiobookshelf/settings')).body, /Reset: Milliseconds for one request/)
  t.match(await change('AUDIOBOOKSHELF_HTTP_TIMEOUT', '1'), { statusCode: 400, body: /from 100 to 60000/ })
  t.equal((await change('AUDIOBOOKSHELF_HTTP_TIMEOUT', '')).statusCode, 303)
  t.equal(bridge.parts.settings().timeoutMs, 5000)
  t.match(await change('KSS_DIR', '/'), { statusCode: 400, body: /no such setting/ })
  t.equal((await ann.post('/audiobookshelf/settings')).statusCode, 400)
  t.equal((await change('AUDIOBOOKSHELF_API_KEY', 'short')).statusCode, 303)
  const set = (username: string, value: string) => ann.post('/audiobookshelf/settings/key', { username, key: value })
  t.equal((await set('bob', 'key-of-bob-0123456789')).statusCode, 303)
  t.match((await ann.get('/audiobookshelf/settings')).body, /bob<\/bdi>: set, ends in …6789, <time/)
  t.match(bridge.parts.settings().users.get('bob'), { apiKey: 'key-of-bob-0123456789' })
  t.match(bridge.parts.settings().users.get('ann'), { apiKey: key })
  t.match(await set('eve', 'x'), { statusCode: 400, body: /There is no user/ })
  t.equal((await ann.post('/audiobookshelf/settings/key')).statusCode, 400)
  t.match(await set('bob', 'two words'), { statusCode: 400, body: /has no api_key/ })
  t.equal((await ann.post('/audiobookshelf/settings/key', { username: 'bob' })).statusCode, 303)
  t.notOk(bridge.parts.settings().users.has('bob'))
  const log = (await ann.get('/audiobookshelf')).body
  t.match(log, /setting changed · AUDIOBOOKSHELF_HTTP_TIMEOUT/)
  t.match(log, /setting changed · AUDIOBOOKSHELF_USER_MAP of bob/)
  t.notMatch(log, /1234|key-of/)
  const test = (username: string) => ann.post('/audiobookshelf/settings/test', { username })
  t.match((await test('ann')).body, /The key is that of ann/)
  t.match(await test('eve'), { statusCode: 400, body: /There is no user eve/ })
  t.equal((await ann.post('/audiobookshelf/settings/test')).statusCode, 400)
  await stub.down()
  t.match((await test('ann')).body, /role="alert"[^]*cannot be reached/)
  const path = join(dir, '.audiobookshelf', 'settings.json')
  t.match(await readFile(path, 'utf8'), key)
  t.equal((await stat(path)).mode & 0o777, 0o600)
  t.notMatch(ann.page, key)
})

t.test('the address cannot be taken away', async (t) => {
  const dir = t.testdir({})
  const file = new SettingsFile(dir)
  const readNone = (): string => ''
  const changed: string[][] = []
  const onChange = (_settings: unknown, names: string[]): void => void changed.push(names)
  const editor = new SettingsEditor({ environment: {}, file, readFile: readNone, onChange })
  t.same(editor.listKeys(), [])
  t.equal(await editor.setKey('ann', 'k'), 'The bridge needs an address.')
  t.equal(await editor.change({ AUDIOBOOKSHELF_BASE_URL: 'http://localhost' }), undefined)
  t.equal(await editor.change({ AUDIOBOOKSHELF_USER_MAP: '{"bob": false, "cyd": "c"}' }), undefined)
  t.same(editor.listKeys(), [
    { username: 'bob', key: 'never' },
    { username: 'cyd', key: 'set' },
  ])
  t.equal(await editor.setKey('ann', 'k'), undefined)
  t.match(file.get(), { AUDIOBOOKSHELF_USER_MAP: /"bob":false/ })
  t.equal(await editor.change({ AUDIOBOOKSHELF_BASE_URL: undefined }), 'The bridge needs an address.')
  t.same(changed.flat(), ['AUDIOBOOKSHELF_BASE_URL', 'AUDIOBOOKSHELF_USER_MAP', 'AUDIOBOOKSHELF_USER_MAP'])
})

t.test('where settings come from the environment alone, the page says so and changes none', async (t) => {
  const opened = openBridgedConsole(
    t,
    { AUDIOBOOKSHELF_BASE_URL: 'http://127.0.0.1:1', AUDIOBOOKSHELF_USER_MAP: JSON.stringify({ ann: key }) },
    {},
    false,
  )
  const ann = await opened.reader('ann')
  await asOperator({ ...opened, ann, account: await accountOf(opened.store, 'ann') })
  const { body } = await ann.get('/audiobookshelf/settings')
  t.match(body, /come from the environment of each server/)
  t.match(body, /set, ends in …6789/)
  t.match(body, /Test a connection/)
  t.notMatch(body, /Change a setting|Set the key/)
  const change = { name: 'AUDIOBOOKSHELF_HTTP_TIMEOUT', value: '4321' }
  t.match(await ann.post('/audiobookshelf/settings', change), { statusCode: 400, body: /cannot be changed here/ })
  t.match(await ann.post('/audiobookshelf/settings/key', { username: 'ann', key: 'x' }), { statusCode: 400 })
})
