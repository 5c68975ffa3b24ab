import t from 'tap'
import { book, Bridged, digest } from './bridged.ts'

const at = (fragment: number): string => `/body/DocFragment[${fragment}]/body/h1/text().0`

t.test('users who share a key make one record, with one request at a time', async (t) => {
  const bridged = await Bridged.start(t, { AUDIOBOOKSHELF_USER_MAP: '', AUDIOBOOKSHELF_API_KEY: 'key-ann' })
  await bridged.addUser('bob')
  await Promise.all([bridged.push(0.4, at(3)), bridged.push(0.4, at(3), { device: 'other' }, 'bob')])
  await bridged.delivered()
  t.equal(bridged.stub.records.length, 1)
  t.equal(bridged.stub.most, 1)
})

t.test('a create of which the second half fails is finished later, in the same record', async (t) => {
  const bridged = await Bridged.start(t)
  const { stub } = bridged
  stub.fault = 'page502'
  stub.faulty = (path) => path.includes('progress') && stub.patches.length >= 2
  const { timestamp } = await bridged.push(0.4, at(3))
  await bridged.bridge.idle()
  t.match(bridged.bridge.parts.outbox.entries, [{ tries: 1 }])
  stub.fault = undefined
  bridged.pass(10)
  await bridged.delivered()
  t.match(stub.records, [{ ebookProgress: 0.4, currentTime: 1200 }])
  t.match(await bridged.pull(), { device: 'kobo', timestamp })
})

t.test('a push that Audiobookshelf takes for a bad request is dropped, with what it says', async (t) => {
  const bridged = await Bridged.start(t)
  const { stub, bridge } = bridged
  stub.fault = 'badRequest'
  stub.faulty = (path) => path.includes('progress') && stub.patches.length > 0
  await bridged.push(0.4, at(3))
  await bridged.delivered()
  t.same(bridge.parts.outbox.entries, [])
  const events = await bridge.listEvents(await bridged.account())
  t.match(events, [{ what: 'failed' }, { what: 'dropped', why: 'answered 400: Invalid progress' }])
  stub.fault = undefined
  await bridged.push(0.5, at(3))
  await bridged.delivered()
  t.match(stub.records, [{ ebookProgress: 0.5 }])
})

t.test('an item that the user may not see any more is not written a minute later', async (t) => {
  const bridged = await Bridged.start(t)
  await bridged.push(0.4, at(3))
  await bridged.delivered()
  const { length } = bridged.stub.patches
  bridged.stub.addItem({ ...book, hiddenFrom: ['ann'] })
  bridged.pass(61)
  await bridged.push(0.6, at(4))
  await bridged.delivered()
  t.equal(bridged.stub.patches.length, length)
  t.equal(await bridged.bridge.parts.links.obstacleOf(await bridged.account(), book.id), 'notAllowed')
})

t.test('a push that a crash kept from the outbox is sent after the start, without a pull', async (t) => {
  const bridged = await Bridged.start(t, {
    AUDIOBOOKSHELF_USER_MAP: '{"ann": "key-ann", "bob": false}',
  })
  await bridged.addUser('bob')
  const { store } = bridged.bridge.parts
  const position = { document: digest, percentage: 0.4, progress: at(3), device: 'kobo' }
  const timestamp = Math.floor(bridged.now / 1000)
  for (const name of ['ann', 'bob']) await store.putProgress(await bridged.account(name), { ...position, timestamp })
  const old = { ...position, document: 'not-linked', timestamp: timestamp - 15 * 86_400 }
  await store.putProgress(await bridged.account(), old)
  await bridged.reopen()
  await bridged.bridge.idle()
  await bridged.delivered()
  t.match(bridged.stub.records, [{ userId: 'id-ann', ebookProgress: 0.4, lastUpdate: timestamp * 1000 }])
  const { length } = bridged.stub.seen
  await bridged.reopen()
  await bridged.bridge.idle()
  t.equal(bridged.stub.seen.length, length, 'what was decided is not sent again')
})

t.test('what waits in the outbox is not put there again by a start', async (t) => {
  const bridged = await Bridged.start(t)
  await bridged.stub.down()
  await bridged.push(0.4, at(3))
  await bridged.bridge.idle()
  bridged.options = { whole: new Promise(() => undefined) }
  await bridged.reopen()
  const [before] = bridged.bridge.parts.outbox.entries
  await bridged.bridge.linker.catchUp()
  t.equal(bridged.bridge.parts.outbox.entries[0], before)
})

t.test('what was read before a key or a link came takes part when the settings change', async (t) => {
  const bridged = await Bridged.start(t, { AUDIOBOOKSHELF_USER_MAP: '{}' })
  await bridged.push(0.4, at(3))
  await bridged.delivered()
  t.equal(bridged.stub.seen.length, 0)
  const users = new Map([['ann', { apiKey: 'key-ann' }]])
  bridged.bridge.configure({ ...bridged.bridge.parts.settings(), users })
  await bridged.bridge.idle()
  await bridged.delivered()
  t.match(bridged.stub.recordOf('ann', book.id), { ebookProgress: 0.4 })
})

t.test('a player that syncs every 10 s is never overwritten, and what is read after it goes out', async (t) => {
  const bridged = await Bridged.start(t)
  for (let n = 0; n < 12; n += 1) {
    bridged.listen(1000 + 10 * n)
    await bridged.push(0.6 + n / 1000, at(4))
    await bridged.bridge.idle()
    bridged.pass(10)
  }
  await bridged.bridge.idle()
  t.equal(bridged.stub.patches.length, 0)
  t.match(bridged.stub.recordOf('ann', book.id), { currentTime: 1110 })
  await bridged.push(0.65, at(4))
  await bridged.bridge.idle()
  t.equal(bridged.stub.patches.length, 0, 'the last sync was a moment ago')
  bridged.pass(75)
  await bridged.delivered()
  t.match(bridged.stub.recordOf('ann', book.id), { currentTime: 2400, ebookProgress: 0.65 })
})

t.test('a finished ebook without audio can be read again, here and there', async (t) => {
  const bridged = await Bridged.start(t)
  bridged.stub.addItem({ ...book, duration: 0, chapters: [] })
  await bridged.push(1, at(4))
  await bridged.delivered()
  t.match(bridged.stub.recordOf('ann', book.id), { isFinished: true, ebookProgress: 1 })
  bridged.pass(10)
  const { timestamp } = await bridged.push(0.1, at(2))
  await bridged.delivered()
  t.match(bridged.stub.recordOf('ann', book.id), { ebookProgress: 0.1, lastUpdate: timestamp * 1000 })
  bridged.pass(100)
  bridged.listen(0, 0, { isFinished: true, ebookProgress: 0.8, ebookLocation: 'epubcfi(/6/8!/4/2)' })
  t.match(await bridged.pull(), { progress: at(4), device_id: `abs:${book.id}` })
})

t.test('works under a path, as Audiobookshelf is set up by its own default', async (t) => {
  const bridged = await Bridged.start(t, { AUDIOBOOKSHELF_DOCUMENT_MAP: '' }, {}, { base: '/audiobookshelf' })
  await bridged.push(0.4, at(3))
  await bridged.bridge.idle()
  await bridged.delivered()
  t.match(bridged.stub.recordOf('ann', book.id), { currentTime: 1200, ebookProgress: 0.4 })
  t.notOk(bridged.stub.seen.some(({ path }) => path === 'elsewhere'))
})

t.test('work whose lane is lost sends nothing more, and the entry waits', async (t) => {
  const bridged = await Bridged.start(t)
  const { lanes, outbox } = bridged.bridge.parts
  const take = lanes.take.bind(lanes)
  lanes.take = async (_key, work) => {
    await work(AbortSignal.abort())
    throw new Error('lost')
  }
  await bridged.push(0.4, '/body/DocFragment[3].0')
  await bridged.bridge.idle()
  t.equal(bridged.stub.seen.length, 0)
  t.match(outbox.entries, [{ tries: 1 }])
  lanes.take = take
  bridged.pass(60)
  await bridged.delivered()
  t.equal(bridged.stub.recordOf('ann', book.id)?.ebookProgress, 0.4)
})
