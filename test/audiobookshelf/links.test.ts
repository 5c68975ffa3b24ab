import t from 'tap'
import { isFailure } from '../../src/audiobookshelf/failure.ts'
import { fold, isLikely } from '../../src/audiobookshelf/links.ts'
import type { LibraryItem } from '../../src/audiobookshelf/library.ts'
import { filenameMd5 } from '../../src/document-id.ts'
import { book, Bridged, digest } from './bridged.ts'

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
  t.equal(stub.seenOf('GET', /ebook$/).length, read)
  bridged.pass(86_400)
  t.ok(await library.isOld(ann))
  stub.faulty = (path) => path.includes('item-3?')
  stub.fault = 'page502'
  t.equal(((await library.refresh(ann, key)) as LibraryItem[]).length, 106, 'one that fails is left out')
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
  t.equal((await library.list(ann)).length, 106, 'what was read before stays')
  stub.fault = 'page502'
  stub.faulty = (path) => path.endsWith('ebook')
  t.match(
    ((await library.refresh(ann, key)) as LibraryItem[]).find(({ id }) => id === 'item-new'),
    { digest: '' },
  )
})

t.test('a library that cannot be read is tried again after ten minutes', async (t) => {
  const bridged = await Bridged.start(t, { AUDIOBOOKSHELF_DOCUMENT_MAP: '' })
  bridged.stub.fault = 'page502'
  await bridged.push(0.4, start3)
  await bridged.delivered()
  const { length } = bridged.stub.seen
  await bridged.push(0.41, start3)
  await bridged.delivered()
  t.equal(bridged.stub.seen.length, length)
  bridged.stub.fault = undefined
  bridged.pass(601)
  await bridged.push(0.42, start3)
  await bridged.delivered()
  await bridged.delivered()
  t.match(bridged.stub.recordOf('ann', book.id), { ebookProgress: 0.42 })
})

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
