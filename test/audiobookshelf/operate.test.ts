import t from 'tap'
import { operate, Operator } from '../../src/audiobookshelf/operate.ts'
import { filenameMd5 } from '../../src/document-id.ts'
import type { Values } from '../../src/audiobookshelf/settings.ts'
import { book, Bridged, digest } from './bridged.ts'

type Ask = (verb: string, ...args: string[]) => Promise<{ result?: unknown; error?: string }>

async function start(
  t: Parameters<typeof Bridged.start>[0],
  values: Values = {},
): Promise<{ bridged: Bridged; ask: Ask }> {
  const bridged = await Bridged.start(t, values)
  const operator = new Operator(bridged.bridge, bridged.admin)
  return { bridged, ask: (verb, ...args) => operate(operator, verb, args) }
}

const start3 = '/body/DocFragment[3].0'

t.test('tells of answers that are of no use, until there is another one', async (t) => {
  const { bridged, ask } = await start(t)
  bridged.stub.fault = 'page502'
  await bridged.push(0.4, start3)
  await bridged.bridge.idle()
  t.match(await ask('status'), { result: { trouble: { text: 'answered 502', since: Number }, waiting: [{}] } })
  bridged.stub.fault = undefined
  bridged.pass(10_000)
  await bridged.delivered()
  t.same(await ask('status'), { result: { url: bridged.stub.url, waiting: [] } })
})

t.test('tells whether Audiobookshelf answers, and what waits', async (t) => {
  const { bridged, ask } = await start(t)
  const url = bridged.stub.url
  t.same(await ask('status'), { result: { url, waiting: [] } })
  await bridged.stub.down()
  await bridged.push(0.4, start3)
  await bridged.push(0.4, start3, { document: 'x' })
  await bridged.bridge.idle()
  t.match(await ask('status'), {
    result: {
      url,
      trouble: { text: /cannot be reached/, since: Number },
      waiting: [{ username: 'ann', document: digest, tries: 0 }],
    },
  })
  await bridged.bridge.linker.link(await bridged.account(), 'x', 'item-x')
  t.match(await ask('retry'), { result: { waiting: [{}, {}] } })
})

t.test('tries a connection, and tells what helps', async (t) => {
  const { bridged, ask } = await start(t, { AUDIOBOOKSHELF_USER_MAP: '{"ann": {"token": "key-ann", "id": "other"}}' })
  t.match(await ask('test', 'ann'), {
    result: {
      ok: true,
      lines: [
        /^Address: /,
        'Version: 2.36.0',
        /that of ann, and not of the user other as /,
        'Libraries: Library lib-1',
        /right/,
      ],
    },
  })
  bridged.stub.version = '2.29.1'
  bridged.stub.items.clear()
  bridged.stub.ahead = 60_000
  t.match(await ask('test', 'ann'), {
    result: { lines: [/./, /2\.30 or newer/, /./, 'Libraries: none', /\d+ s ahead/] },
  })
  bridged.stub.version = '1.9'
  bridged.stub.ahead = -60_000
  t.match(await ask('test', 'ann'), { result: { lines: [/./, /2\.30 or newer/, /./, /./, /\d+ s behind/] } })
  bridged.stub.fault = 'refuse'
  bridged.stub.faulty = (path) => path !== '/status'
  t.match(await ask('test', 'ann'), { result: { ok: false, lines: [/./, /./, 'Audiobookshelf refused the key'] } })
  bridged.stub.fault = 'page502'
  bridged.stub.faulty = () => true
  t.match(await ask('test', 'ann'), { result: { ok: false, lines: [/./, 'Audiobookshelf answered 502'] } })
  bridged.stub.fault = undefined
  const { users, ...others } = bridged.bridge.parts.settings()
  const own = { ...users.get('ann'), apiKey: 'key-ann', userId: 'id-ann' }
  bridged.bridge.configure({ ...others, users: new Map([['ann', own]]) })
  t.ok(((await ask('test', 'ann')).result as { lines: string[] }).lines.includes('The key is that of ann'))
  await bridged.addUser('bob')
  t.match(await ask('test', 'bob'), { error: /bob has no key/ })
  t.match(await ask('test', 'none'), { error: 'There is no user none' })
})

t.test('lists, makes and ends links', async (t) => {
  const { bridged, ask } = await start(t, { AUDIOBOOKSHELF_DOCUMENT_MAP: '{"gone": "item-gone"}' })
  const name = filenameMd5('A Book.epub')
  await bridged.push(0.4, start3)
  await bridged.push(0.4, start3, { document: 'gone' })
  await bridged.push(0.4, start3, { document: 'other', metadata: { title: 'a book', authors: 'ADA' } })
  await bridged.push(0.4, start3, { document: name })
  await bridged.push(0.4, start3, { document: 'nothing' })
  await bridged.delivered()
  const list = async (): Promise<Record<string, unknown>[]> =>
    (await ask('links', 'ann')).result as Record<string, unknown>[]
  const byDocument = async (document: string) => (await list()).find((each) => each['document'] === document)
  const suggested = [{ item: book.id, title: 'A Book', author: 'Ada' }]
  t.match(await byDocument(digest), { item: book.id, kind: 'digest', suggested: [] })
  t.match(await byDocument('gone'), { item: 'item-gone', kind: 'map', obstacle: 'gone' })
  t.match(await byDocument('other'), { title: 'a book', suggested })
  t.match(await byDocument(name), { suggested })
  t.match(await byDocument('nothing'), { title: '', suggested: [] })
  t.same(await ask('link', 'ann', 'other', book.id), { result: undefined })
  t.match(await byDocument('other'), { item: book.id, kind: 'hand' })
  await ask('unlink', 'ann', 'other')
  t.notOk((await byDocument('other'))!['kind'])
  t.match(await ask('link', 'ann', 'other', '../me'), { error: /no id of an item/ })
  t.match(await ask('link', 'ann', 'other', 'none'), { error: /has no such item/ })
  bridged.stub.addItem({ id: 'pod', title: 'Pod', mediaType: 'podcast' })
  t.match(await ask('link', 'ann', 'other', 'pod'), { error: 'pod is no book' })
})
