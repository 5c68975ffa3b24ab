import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { Books } from '../../src/audiobookshelf/books.ts'
import { BookFiles } from '../../src/audiobookshelf/book-files.ts'
import { BridgeFiles } from '../../src/audiobookshelf/bridge-files.ts'
import { dataNames } from '../../src/audiobookshelf/bridge-storage.ts'
import { Client } from '../../src/audiobookshelf/client.ts'
import { EventLogFiles } from '../../src/audiobookshelf/event-log-files.ts'
import { isFailure } from '../../src/audiobookshelf/failure.ts'
import { Items } from '../../src/audiobookshelf/items.ts'
import type { Item } from '../../src/audiobookshelf/replies.ts'
import { until } from '../until.ts'
import { book, epub } from './bridged.ts'
import { AbsStub } from './stub.ts'

const ann = Object.freeze({ username: 'ann', folder: 'ann', id: 'id-1', generation: 1 })
const key = { apiKey: 'key-ann' }

t.test('a file is for one account, and damage counts as none', async (t) => {
  const dir = t.testdir({ ann: {} })
  const told: unknown[] = []
  const make = (): BridgeFiles => new BridgeFiles(dir, (error) => told.push(error))
  const files = make()
  const name = dataNames.overlay('abc')
  t.equal(await files.get(ann, name), undefined)
  await files.put(ann, name, { a: 1 })
  t.same(await files.get(ann, name), { a: 1 })
  t.same(await make().get(ann, name), { a: 1 })
  t.equal(await make().get({ ...ann, id: 'next' }, name), undefined)
  await files.put(ann, name, { a: 2 })
  await files.put(ann, name, undefined)
  t.equal(await make().get(ann, name), undefined)
  await writeFile(join(dir, 'ann', 'audiobookshelf', name), '{', { mode: 0o600 })
  t.equal(await make().get(ann, name), undefined)
  t.equal(told.length, 1)
  await rm(join(dir, 'ann', 'audiobookshelf', name), { force: true })
  await mkdir(join(dir, 'ann', 'audiobookshelf', name))
  t.equal(await make().get(ann, name), undefined)
  await t.rejects(make().put(ann, name, { a: 3 }))
  await t.rejects(make().put({ ...ann, folder: 'gone' }, name, { a: 3 }), 'no folder comes back')
})

t.test('a change that comes while the file is read is what counts', async (t) => {
  const dir = t.testdir({ ann: {} })
  const files = new BridgeFiles(dir, () => undefined)
  const read = files.get(ann, 'x.json')
  const written = files.put(ann, 'x.json', { a: 1 })
  t.same(await read, { a: 1 })
  await written
})

t.test('an ebook is counted once for each file, and again after a failure that may pass', async (t) => {
  const stub = await AbsStub.start(t)
  stub.addItem(book)
  const dir = t.testdir({ '.audiobookshelf': {} })
  const client = new Client({ baseUrl: stub.url, timeoutMs: 60_000 })
  t.teardown(() => client.close())
  const told: unknown[] = []
  const make = (): Books =>
    new Books(
      new BookFiles(dir, (error) => told.push(error)),
      () => client,
      () => 60_000,
    )
  const item = (await client.getItem(key, book.id)) as Item
  const reads = (): number => stub.seenOf('GET', /ebook$/).length
  stub.fault = 'page502'
  stub.faulty = (path) => path.endsWith('/ebook')
  const books = make()
  t.ok(isFailure(await books.get(key, item)))
  stub.fault = undefined
  t.match(await books.get(key, item), { fragments: { length: 4 } })
  const { length } = stub.seen
  t.match(await books.get(key, item), { fragments: { length: 4 } })
  t.match(await make().get(key, item), { fragments: { length: 4 } }, 'after a restart')
  t.equal(stub.seen.length, length)
  const other = { ...item, ebook: { ...item.ebook!, mtimeMs: 5 } }
  await books.get(key, other)
  t.equal(reads(), 3)
  t.equal(await books.get(key, { ...item, ebook: undefined }), undefined)
  t.equal(await books.get(key, { ...item, ebook: { ...item.ebook!, format: 'pdf' } }), undefined)
  stub.addItem({ ...book, id: 'broken', ebook: Buffer.from('no zip') })
  const broken = (await client.getItem(key, 'broken')) as Item
  t.equal(await books.get(key, broken), undefined)
  stub.addItem({ ...book, id: 'accel', xAccel: true })
  const accel = (await client.getItem(key, 'accel')) as Item
  t.equal(await books.get(key, accel), undefined)
  stub.addItem({ ...book, id: 'accel' })
  t.match(await make().get(key, accel), { fragments: { length: 4 } }, 'what is set up right later is read')
  t.equal(await books.get(key, { ...item, id: 'none' }), undefined)
  await writeFile(join(dir, '.audiobookshelf', 'books', 'broken.json'), '{')
  t.equal(await make().get(key, broken), undefined)
  t.equal(told.length, 1)
  t.ok(epub.length > 0)
})

t.test('an ebook that fails three times is done without', async (t) => {
  const stub = await AbsStub.start(t)
  stub.addItem(book)
  const client = new Client({ baseUrl: stub.url, timeoutMs: 60_000 })
  t.teardown(() => client.close())
  const books = new Books(
    new BookFiles(t.testdir({}), () => undefined),
    () => client,
    () => 60_000,
  )
  const item = (await client.getItem(key, book.id)) as Item
  stub.fault = 'refuse'
  t.ok(isFailure(await books.get(key, item)))
  stub.fault = 'reset'
  t.ok(isFailure(await books.get(key, item)))
  t.equal(await books.get(key, item), undefined)
})

t.test('an item is asked for again after ten minutes, or when it failed', async (t) => {
  const stub = await AbsStub.start(t)
  stub.addItem(book)
  const client = new Client({ baseUrl: stub.url, timeoutMs: 60_000 })
  t.teardown(() => client.close())
  let now = 0
  const items = new Items(
    () => client,
    () => now,
  )
  stub.fault = 'page502'
  t.ok(isFailure(await items.get(ann, key, book.id)))
  stub.fault = undefined
  for (let n = 0; n < 3; n += 1) t.match(await items.get(ann, key, book.id), { id: book.id })
  t.equal(stub.seen.length, 2)
  await items.get(ann, key, book.id, 60_000)
  t.equal(stub.seen.length, 2)
  now = 60_000
  await items.get(ann, key, book.id, 60_000)
  t.equal(stub.seen.length, 3, 'an answer that is too old for this')
  now = 660_000
  await items.get(ann, key, book.id)
  items.forget()
  await items.get(ann, key, book.id)
  t.equal(stub.seen.length, 5)
})

t.test('the last 500 events of a user are kept', async (t) => {
  const dir = t.testdir({ ann: {} })
  const told: unknown[] = []
  const log = new EventLogFiles(
    dir,
    () => 5000,
    (error) => told.push(error),
  )
  t.same(await log.list(ann), [])
  for (let n = 0; n < 1100; n += 1) log.add(ann, { what: 'pushed', document: `${n}` })
  const listed = await log.list(ann)
  t.equal(listed.length, 500)
  t.match(listed.at(-1), { time: 5, what: 'pushed', document: '1099' })
  const path = join(dir, 'ann', 'audiobookshelf', '_log.jsonl')
  t.ok((await readFile(path, 'utf8')).split('\n').length <= 1003)
  await writeFile(path, '{"torn\n{"time":1,"what":"held"}\n')
  t.same(await log.list(ann), [{ time: 1, what: 'held' }])
  new EventLogFiles(
    dir,
    () => 0,
    () => undefined,
  ).add(ann, { what: 'held' })
  log.add({ ...ann, folder: 'gone' }, { what: 'held' })
  await until(() => told.length === 1)
})
