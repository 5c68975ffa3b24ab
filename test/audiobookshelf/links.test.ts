import t from 'tap'
import { Failure, isFailure } from '../../src/audiobookshelf/failure.ts'
import { fold, isLikely } from '../../src/audiobookshelf/links.ts'
import type { LibraryItem } from '../../src/audiobookshelf/library.ts'
import { filenameMd5 } from '../../src/document-id.ts'
import { book, Bridged, digest, digestOf } from './bridged.ts'
import { makeEpub } from './make-epub.ts'

const start3 = '/body/DocFragment[3].0'
const key = { apiKey: 'key-ann' }

t.test('what was set by hand beats the map, which beats the digest; false beats all', async (t) => {
  const bridged = await Bridged.start(t, { AUDIOBOOKSHELF_DOCUMENT_MAP: `{"${digest}": "mapped", "never": false}` })
  const { links, library } = bridged.bridge.parts
  const ann = await bridged.account()
  t.same(await links.find(ann, digest), { item: 'mapped', kind: 'map' })
  t.equal(await links.find(ann, 'never'), undefined)
  t.equal(await links.find(ann, '__proto__'), undefined)
  await library.refresh(ann, key)
  t.same(await links.find(ann, digest), { item: 'mapped', kind: 'map' })
  await links.set(ann, digest, 'by-hand')
  t.same(await links.find(ann, digest), { item: 'by-hand', kind: 'hand' })
  await links.set(ann, digest, false)
  t.equal(await links.find(ann, digest), undefined)
  t.same(await links.listByHand(ann), [[digest, false]])
  await links.set(ann, digest, undefined)
  t.same(await links.find(ann, digest), { item: 'mapped', kind: 'map' })
  t.same(await links.listByHand(ann), [])
})

t.test('an item that was not found twice, an hour apart, is gone, and may come back under another id', async (t) => {
  const bridged = await Bridged.start(t, { AUDIOBOOKSHELF_DOCUMENT_MAP: `{"${digest}": "old"}` })
  const { links, library } = bridged.bridge.parts
  const ann = await bridged.account()
  await library.refresh(ann, key)
  await links.obstruct(ann, 'old', 'gone')
  t.equal(await links.obstacleOf(ann, 'old'), 'gone')
  t.match(await links.find(ann, digest), { item: 'old' })
  bridged.pass(3601)
  t.equal(await links.obstacleOf(ann, 'old'), undefined, 'asked once more')
  await links.obstruct(ann, 'old', 'gone')
  bridged.pass(7200)
  t.equal(await links.obstacleOf(ann, 'old'), 'gone')
  t.same(await links.find(ann, digest), { item: book.id, kind: 'digest' })
  t.equal(await links.find(ann, 'other'), undefined)
  await links.clear(ann, ['x'])
  await links.clear(ann, ['old'])
  t.equal(await links.obstacleOf(ann, 'old'), undefined)
  await links.obstruct(ann, 'old', 'notAllowed')
  t.equal(await links.obstacleOf(ann, 'old'), 'notAllowed')
  bridged.pass(3601)
  t.equal(await links.obstacleOf(ann, 'old'), undefined)
  await links.obstruct(ann, 'old', 'notABook')
  bridged.pass(100_000)
  t.equal(await links.obstacleOf(ann, 'old'), 'notABook')
})

t.test('linking by hand sends what the reader left, unlinking sends nothing', async (t) => {
  const bridged = await Bridged.start(t, {
    AUDIOBOOKSHELF_DOCUMENT_MAP: '{}',
    AUDIOBOOKSHELF_USER_MAP: '{"ann": "key-ann"}',
  })
  const ann = await bridged.account()
  const { linker } = bridged.bridge
  await bridged.push(0.4, start3, { document: 'other', timestamp: Math.floor(bridged.now / 1000) - 500 })
  await bridged.delivered()
  t.equal(bridged.stub.patches.length, 0)
  await linker.link(ann, 'other', book.id)
  await bridged.delivered()
  t.match(bridged.stub.recordOf('ann', book.id), { ebookProgress: 0.4, currentTime: 1200 })
  await linker.link(ann, 'other', false)
  await linker.link(ann, 'unknown', book.id)
  await bridged.push(0.5, start3, { document: 'other' })
  await bridged.delivered()
  t.match(bridged.stub.recordOf('ann', book.id), { ebookProgress: 0.4 })
})

t.test('a library is read once, by pages, and each file once', async (t) => {
  const bridged = await Bridged.start(t, { AUDIOBOOKSHELF_DOCUMENT_MAP: '' })
  const ann = await bridged.account()
  const { library } = bridged.bridge.parts
  const { stub } = bridged
  for (let n = 0; n < 105; n += 1) stub.addItem({ id: `item-${n}`, title: `T${n}`, ebook: Buffer.from(`${n}`) })
  stub.addItem({ id: 'accel', title: 'X', ebook: Buffer.from('x'), xAccel: true })
  stub.addItem({ id: 'missing', title: 'M', ebook: Buffer.from('m'), isMissing: true })
  stub.addItem({ id: 'bad id', title: 'B', ebook: Buffer.from('b') })
  const items = await library.refresh(ann, key)
  t.notOk(isFailure(items))
  t.equal((items as LibraryItem[]).length, 107)
  t.match(
    (await library.list(ann)).find(({ id }) => id === 'accel'),
    { digest: '' },
  )
  t.equal(await library.findByDigest(ann, ''), undefined)
  t.equal(stub.seenOf('GET', /items\?limit/).length, 2)
  t.notOk(await library.isOld(ann))
  const read = stub.seenOf('GET', /ebook$/).length
  await library.refresh(ann, key)
  t.equal(stub.seenOf('GET', /ebook$/).length, read + 1, 'only what was not served is tried again')
  const looked = stub.seenOf('GET', /items\/[^/]+\?/).length
  stub.addItem({ id: 'added', title: 'A', ebook: Buffer.from('added') })
  t.equal(((await library.refresh(ann, key, true)) as LibraryItem[]).length, 108)
  t.equal(
    stub.seenOf('GET', /items\/[^/]+\?/).length,
    looked + 2,
    'known items are left as they are: it asks for the new one and the missing one',
  )
  bridged.pass(86_400)
  t.ok(await library.isOld(ann))
  stub.faulty = (path) => path.includes('item-3?')
  stub.fault = 'page502'
  t.equal(((await library.refresh(ann, key)) as LibraryItem[]).length, 107, 'one that fails is left out')
  for (const [fault, faulty] of [
    ['reset', /libraries$/],
    ['page502', /items\?limit/],
    ['refuse', /item-3\?/],
    ['tooMany', /ebook$/],
  ] as const) {
    stub.fault = fault
    stub.faulty = (path) => faulty.test(path)
    stub.addItem({ id: 'item-new', title: 'N', ebook: Buffer.from(fault), ino: fault })
    t.ok(isFailure(await library.refresh(ann, key)), fault)
  }
  t.equal((await library.list(ann)).length, 109, 'what was read stays')
  stub.fault = 'page502'
  stub.faulty = (path) => path.endsWith('ebook')
  t.match(
    ((await library.refresh(ann, key)) as LibraryItem[]).find(({ id }) => id === 'item-new'),
    { digest: '' },
  )
})

t.test('a first read that is cut off keeps what it has, and is not the whole', async (t) => {
  const bridged = await Bridged.start(t, { AUDIOBOOKSHELF_DOCUMENT_MAP: '' })
  const ann = await bridged.account()
  const { library } = bridged.bridge.parts
  const { stub } = bridged
  stub.addItem({ id: 'item-2', title: 'T', ebook: Buffer.from('2') })
  stub.fault = 'refuse'
  stub.faulty = (path) => path.includes('item-2/ebook')
  t.match(await library.refresh(ann, key), { kind: 'refusedKey' })
  t.match(await library.list(ann), [{ id: book.id, digest }])
  t.ok(await library.isOld(ann))
  stub.fault = undefined
  const read = stub.seenOf('GET', /ebook$/).length
  t.equal(((await library.refresh(ann, key)) as LibraryItem[]).length, 2)
  t.equal(stub.seenOf('GET', /ebook$/).length, read + 1)
})

t.test('a library that cannot be read is tried again by itself', async (t) => {
  const bridged = await Bridged.start(t, { AUDIOBOOKSHELF_DOCUMENT_MAP: '' })
  bridged.stub.fault = 'page502'
  await bridged.push(0.4, start3)
  await bridged.delivered()
  const { length } = bridged.stub.seen
  await bridged.push(0.41, start3)
  await bridged.delivered()
  t.equal(bridged.stub.seen.length, length)
  bridged.pass(31)
  await bridged.bridge.idle()
  t.equal(bridged.stub.seen.length, length + 1)
  bridged.stub.fault = undefined
  bridged.pass(31)
  await bridged.bridge.idle()
  t.equal(bridged.stub.seen.length, length + 1, 'the second time it takes twice as long')
  bridged.pass(31)
  await linked(bridged)
  t.match(bridged.stub.recordOf('ann', book.id), { ebookProgress: 0.41 })
})

t.test('an outage ends with the library of a user of whom nothing is linked yet', async (t) => {
  const bridged = await Bridged.start(t, { AUDIOBOOKSHELF_DOCUMENT_MAP: '' })
  await bridged.stub.down()
  await bridged.push(0.4, start3)
  await bridged.bridge.idle()
  t.ok(bridged.bridge.parts.outage.failure)
  bridged.pass(31)
  await bridged.bridge.idle()
  await bridged.stub.up()
  bridged.pass(61)
  await linked(bridged)
  t.match(bridged.stub.recordOf('ann', book.id), { ebookProgress: 0.4 })
  t.equal(bridged.bridge.parts.outage.failure, undefined)
})

t.test('a key that is refused is not used for the library before its time', async (t) => {
  const bridged = await Bridged.start(t, { AUDIOBOOKSHELF_DOCUMENT_MAP: '' })
  bridged.stub.fault = 'refuse'
  await bridged.push(0.4, start3)
  await bridged.bridge.idle()
  bridged.pass(60)
  await bridged.bridge.idle()
  t.equal(bridged.stub.seen.length, 1)
  bridged.stub.fault = undefined
  bridged.pass(241)
  await linked(bridged)
  t.match(bridged.stub.recordOf('ann', book.id), { ebookProgress: 0.4 })
})

t.test('a book that is added after the library was read is linked a minute after its first push', async (t) => {
  const bridged = await Bridged.start(t, { AUDIOBOOKSHELF_DOCUMENT_MAP: '' })
  const { stub } = bridged
  await bridged.push(0.4, start3)
  await linked(bridged)
  const added = makeEpub([{ title: 'Another', text: ['Text'] }])
  stub.addItem({ id: 'added', title: 'Another', ebook: added })
  const { length } = stub.seen
  await bridged.push(0.2, '/body/DocFragment[1].0', { document: digestOf(added) })
  await bridged.push(0.2, '/body/DocFragment[1].0', { document: 'unknown' })
  await bridged.bridge.idle()
  t.equal(stub.seen.length, length)
  bridged.pass(61)
  await linked(bridged)
  t.match(stub.recordOf('ann', 'added'), { ebookProgress: 0.2 })
  const asked = stub.seen.length
  bridged.pass(3600)
  await bridged.push(0.3, '/body/DocFragment[1].0', { document: 'unknown' })
  await bridged.pull('other')
  await bridged.delivered()
  bridged.pass(61)
  await bridged.delivered()
  t.equal(stub.seen.length, asked, 'once for each document that is not linked, and never for a pull')
  bridged.pass(3600)
  await bridged.push(0.3, '/body/DocFragment[1].0', { document: 'another' })
  await bridged.bridge.idle()
  t.equal(stub.seen.length, asked, 'not at once, however long ago that was')
})

t.test('two users read the ebook of an item once, and one who may not see it has no link', async (t) => {
  const bridged = await Bridged.start(t, {
    AUDIOBOOKSHELF_DOCUMENT_MAP: '',
    AUDIOBOOKSHELF_USER_MAP: '{"ann": "key-ann", "bob": "key-bob", "cyd": "key-cyd"}',
  })
  const { stub } = bridged
  for (const name of ['bob', 'cyd']) {
    stub.addUser(`key-${name}`, name)
    await bridged.addUser(name)
  }
  stub.addItem({ ...book, hiddenFrom: ['cyd'] })
  await bridged.push(0.4, start3)
  await linked(bridged)
  for (const name of ['bob', 'cyd']) await bridged.push(0.4, start3, {}, name)
  await linked(bridged)
  t.same(stub.records.map(({ userId }) => userId).toSorted(), ['id-ann', 'id-bob'])
  t.equal(
    stub.seen.filter(({ path, headers }) => path.endsWith('/ebook') && headers.range === 'bytes=0-1023').length,
    1,
  )
})

/** Resolves when libraries that are due have been read, and what they link was sent. */
async function linked(bridged: Bridged): Promise<void> {
  await bridged.bridge.idle()
  await bridged.delivered()
}

t.test('a suggestion has the title and the author, or the name of the file', (t) => {
  const item = {
    id: 'i',
    title: 'L’Été',
    author: 'Ada B.',
    hasAudio: true,
    of: '',
    digest: '',
    fileMd5: filenameMd5('a.epub'),
  }
  t.ok(isLikely(item, filenameMd5('a.epub'), '', ''))
  t.ok(isLikely(item, 'x', "l'ete", 'ada b'))
  t.ok(isLikely(item, 'x', 'LETE', ''))
  t.notOk(isLikely(item, 'x', "l'ete", 'Bob'))
  t.notOk(isLikely(item, 'x', '', ''))
  t.equal(fold('Á-b 1!'), 'ab1')
  t.end()
})

t.test('libraries of several users wait for the end of an outage, and one without a key is not read', async (t) => {
  const bridged = await Bridged.start(t, {
    AUDIOBOOKSHELF_DOCUMENT_MAP: '',
    AUDIOBOOKSHELF_USER_MAP: '{"ann": "key-ann", "bob": "key-bob", "cyd": "key-cyd"}',
  })
  const { stub, bridge } = bridged
  for (const name of ['bob', 'cyd']) {
    stub.addUser(`key-${name}`, name)
    await bridged.addUser(name)
  }
  await stub.down()
  for (const name of ['ann', 'bob', 'cyd']) {
    await bridged.push(0.4, start3, {}, name)
    await bridge.idle()
  }
  await stub.up()
  await bridge.accountChanged(await bridged.account('cyd'), 'cyd')
  const users = new Map([['ann', key]])
  bridge.configure({ ...bridge.parts.settings(), users })
  await bridge.idle()
  bridged.pass(61)
  await linked(bridged)
  t.match(stub.records, [{ userId: 'id-ann' }])
  t.same(new Set(stub.seen.map(({ username }) => username)), new Set(['ann']))
})

t.test('while one request finds out whether Audiobookshelf is back, a library waits for it', async (t) => {
  const bridged = await Bridged.start(t, { AUDIOBOOKSHELF_DOCUMENT_MAP: '' })
  const { outage, now } = bridged.bridge.parts
  outage.failed(new Failure('unreachable', 'cannot be reached'))
  bridged.pass(61)
  await outage.probe(async () => {
    await bridged.push(0.4, start3)
    await bridged.bridge.idle()
    t.ok(bridged.bridge.linker.run()! > now())
    t.equal(bridged.stub.seen.length, 0)
  })
  bridged.pass(2)
  await linked(bridged)
  t.match(bridged.stub.recordOf('ann', book.id), { ebookProgress: 0.4 })
})

t.test('an item that was removed and added again is linked under its new id', async (t) => {
  const bridged = await Bridged.start(t, { AUDIOBOOKSHELF_DOCUMENT_MAP: '' })
  const { stub } = bridged
  await bridged.push(0.4, start3)
  await linked(bridged)
  stub.items.delete(book.id)
  stub.records.length = 0
  stub.addItem({ ...book, id: 'new-id' })
  bridged.pass(100)
  await bridged.push(0.5, start3)
  await linked(bridged)
  t.equal(stub.records.length, 0)
  await bridged.push(0.51, start3)
  await linked(bridged)
  bridged.pass(61)
  await linked(bridged)
  t.match(stub.recordOf('ann', 'new-id'), { ebookProgress: 0.51 })
})

t.test('a library is read with two requests at a time, and some milliseconds between them', async (t) => {
  const bridged = await Bridged.start(t, { AUDIOBOOKSHELF_DOCUMENT_MAP: '' }, { spacingMs: 10 })
  const { stub } = bridged
  for (let n = 0; n < 9; n += 1) stub.addItem({ id: `item-${n}`, title: `T${n}`, ebook: Buffer.from(`${n}`) })
  const began = performance.now()
  await bridged.bridge.parts.library.refresh(await bridged.account(), key)
  t.ok(stub.seen.length > 20)
  t.ok(performance.now() - began >= (stub.seen.length - 2) * 10 - stub.seen.length, 'no sooner')
  t.ok(stub.mostAtOnce <= 2)
})
