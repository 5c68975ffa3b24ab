import t from 'tap'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { build, buildReader, position, Reader } from '../helper.ts'
import { byName } from '../store/by-name.ts'

t.test('a push is answered with the document and the time in seconds, and nothing else', async (t) => {
  const reader = await buildReader(t, { now: () => 1_700_000_000_999 })
  const reply = await reader.update({ ...position, timestamp: 1 })
  t.equal(reply.statusCode, 200)
  t.equal(reply.body, '{"document":"abc","timestamp":1700000000}')
})

t.test('a pull gives back what was pushed', async (t) => {
  const reader = await buildReader(t, { now: () => 1_700_000_000_999 })
  await reader.update({ ...position, device_id: 'ID' })
  const reply = await reader.get('abc')
  t.equal(reply.statusCode, 200)
  t.same(reply.json(), { ...position, device_id: 'ID', timestamp: 1_700_000_000 })
})

t.test('an unknown document is an empty object', async (t) => {
  const reader = await buildReader(t)
  const reply = await reader.get('unknown')
  t.equal(reply.statusCode, 200)
  t.equal(reply.body, '{}')
})

t.test('two users have positions of their own in one document', async (t) => {
  const ann = await buildReader(t)
  const bob = new Reader(ann.app, 'bob')
  await bob.register()
  await ann.update({ ...position, progress: '1' })
  await bob.update({ ...position, progress: '2' })
  t.match((await ann.get('abc')).json(), { progress: '1' })
  t.match((await bob.get('abc')).json(), { progress: '2' })
})

t.test('a percentage of 0 stays 0', async (t) => {
  const reader = await buildReader(t)
  await reader.update({ ...position, percentage: 0 })
  t.equal((await reader.get('abc')).json<{ percentage: number }>().percentage, 0)
})

for (const [sent, expected] of [
  ['0.5', 0.5],
  ['1', 1],
  ['-1.5e-3', -0.0015],
  ['.5', 0.5],
  [1e300, 1e300],
  [0.123456789012345, 0.123456789012345],
] as const) {
  t.test(`a percentage of ${JSON.stringify(sent)} is the number ${expected}`, async (t) => {
    const reader = await buildReader(t)
    await reader.update({ ...position, percentage: sent })
    t.equal((await reader.get('abc')).json<{ percentage: number }>().percentage, expected)
  })
}

t.test('metadata is stored, outlives a push without it, and is never returned', async (t) => {
  const store = new MemoryStore()
  const reader = await buildReader(t, { store })
  const metadata = { filename: 'dune.epub', title: 'Dune', authors: 'Frank Herbert' }
  await reader.update({ ...position, metadata: { ...metadata, pages: 3 } })
  await reader.update(position)
  t.same((await byName(store).getProgress('ann', 'abc'))?.metadata, metadata)
  t.notOk('metadata' in (await reader.get('abc')).json<object>())
})

for (const [what, optional] of [
  ['a null device_id', { device_id: null }],
  ['a number for a device_id', { device_id: 5 }],
  ['half a surrogate pair in device_id', { device_id: '\ud800' }],
  ['null metadata', { metadata: null }],
  ['a string for metadata', { metadata: 'Dune' }],
  ['a number for a title', { metadata: { title: 5 } }],
] as const) {
  t.test(`${what} is dropped, and the position is kept`, async (t) => {
    const store = new MemoryStore()
    const reader = await buildReader(t, { store })
    t.equal((await reader.update({ ...position, ...optional })).statusCode, 200)
    const { timestamp: _, ...stored } = (await byName(store).getProgress('ann', 'abc')) ?? {}
    t.same(stored, position)
  })
}

const { document: _document, ...withoutDocument } = position
const { device: _device, ...withoutDevice } = position

for (const [what, body, status, code] of [
  ['no document', withoutDocument, 403, 2004],
  ['an empty document', { ...position, document: '' }, 403, 2004],
  ['a number for a document', { ...position, document: 5 }, 403, 2004],
  ['a colon in the document', { ...position, document: 'a:b' }, 403, 2004],
  ['half a surrogate pair in the document', { ...position, document: '\udfff' }, 403, 2004],
  ['1,025 characters', { ...position, document: 'a'.repeat(1025) }, 403, 2004],
  ['no document and no device', { percentage: 1, progress: '1' }, 403, 2004],
  ['no device', withoutDevice, 403, 2003],
  ['a null device', { ...position, device: null }, 403, 2003],
  ['a number for progress', { ...position, progress: 56 }, 403, 2003],
  ['half a surrogate pair in progress', { ...position, progress: '\ud800' }, 403, 2003],
  ['an empty percentage', { ...position, percentage: '' }, 403, 2003],
  ['a percentage that is no number', { ...position, percentage: 'half' }, 403, 2003],
  ['NaN', { ...position, percentage: 'NaN' }, 403, 2003],
  ['an infinite percentage', { ...position, percentage: 'Infinity' }, 403, 2003],
  ['too large a percentage', { ...position, percentage: '1e999' }, 403, 2003],
  ['too large a number', JSON.stringify(position).replace('0.32', '1e999'), 403, 2003],
  ['a null percentage', { ...position, percentage: null }, 403, 2003],
  ['a boolean for a percentage', { ...position, percentage: true }, 403, 2003],
  ['no JSON', '{"document":', 400, 103],
  ['nothing', '', 400, 103],
  ['__proto__', '{"__proto__":{"x":1},"document":"abc"}', 400, 103],
  ['constructor.prototype', '{"constructor":{"prototype":{}},"document":"abc"}', 400, 103],
  ['an array', '[]', 400, 104],
  ['a string', '"abc"', 400, 104],
  ['null', 'null', 400, 104],
] as const) {
  t.test(`a push with ${what} answers ${status}/${code}, and stores nothing`, async (t) => {
    const reader = await buildReader(t)
    const reply = await reader.update(body)
    t.equal(reply.statusCode, status)
    t.match(reply.json(), { code, message: /./ })
    t.same((await reader.get('abc')).json(), {})
  })
}

for (const document of [
  'a'.repeat(1024),
  '😀'.repeat(1024),
  'A-b_c.D',
  '../alice/auth',
  'auth',
  'AUTH',
  'a/b',
  'a//b',
  '/',
  'a%2Fb',
  '%',
  'a b+c',
  'é'.normalize('NFC'),
  'é'.normalize('NFD'),
  'nul\0byte',
  '?x=1#y',
  '*',
  '__proto__',
]) {
  t.test(`what PUT accepts, GET serves: ${JSON.stringify(document.slice(0, 20))}`, async (t) => {
    const reader = await buildReader(t)
    t.equal((await reader.update({ ...position, document })).statusCode, 200)
    t.match((await reader.get(document)).json(), { document })
  })
}

t.test('a pull with a colon in the document answers 403', async (t) => {
  const reader = await buildReader(t)
  const reply = await reader.get('a:b')
  t.equal(reply.statusCode, 403)
  t.same(reply.json(), { code: 2004, message: "Field 'document' not provided." })
})

t.test('query parameters and unknown fields are ignored', async (t) => {
  const reader = await buildReader(t)
  t.equal((await reader.update({ ...position, nonsense: { a: [1] } })).statusCode, 200)
  const reply = await reader.app.inject({ url: '/syncs/progress/abc?x=1', headers: reader.headers })
  t.match(reply.json(), position)
})

t.test('a push answers 401 before its body is read', async (t) => {
  const reply = await build(t).inject({ method: 'PUT', url: '/syncs/progress', body: '{' })
  t.equal(reply.statusCode, 401)
})

for (const [code, status] of [
  ['ENOSPC', 507],
  ['EIO', 503],
] as const) {
  t.test(`a disk that says ${code} is a ${status}, never a 401 and never an empty object`, async (t) => {
    class Failing extends MemoryStore {
      override async putProgress(): Promise<never> {
        throw Object.assign(new Error(code), { code, errno: -1 })
      }
      override async getProgress(): Promise<never> {
        throw Object.assign(new Error(code), { code, errno: -1 })
      }
    }
    const reader = await buildReader(t, { store: new Failing() })
    for (const reply of [await reader.update(position), await reader.get('abc')]) {
      t.equal(reply.statusCode, status)
      t.match(reply.json(), { code: status, message: /./ })
    }
  })
}
