import type { Test } from 'tap'
import { until } from '../until.ts'
import { book, digest, type StartBridged } from './bridged.ts'
import type { AbsItem } from './stub.ts'

const at = (fragment: number): string => `/body/DocFragment[${fragment}]/body/h1/text().0`

/** What a bridge does, wherever it keeps what it needs. */
export function testBridge(t: Test, start: StartBridged): void {
  t.test('a push comes to Audiobookshelf at its time, and one record is made', async (t) => {
    const bridged = await start(t)
    const { timestamp } = await bridged.push(0.4, at(3))
    await bridged.delivered()
    t.equal(bridged.stub.records.length, 1)
    const record = bridged.stub.recordOf('ann', book.id)!
    t.match(record, { currentTime: 1200, duration: 3600, ebookProgress: 0.4, ebookLocation: 'epubcfi(/6/6!/4)' })
    t.equal(record.lastUpdate, timestamp * 1000)
    t.equal(bridged.stub.patches.length, 2, 'a create ignores the time')
    t.equal(bridged.stub.most, 1)
    t.same(await bridged.waiting(), [])
    t.match(await bridged.pull(), { device: 'kobo', progress: at(3), timestamp })
  })

  t.test('of ten pushes within 2 s the last one wins, with at most 3 PATCHes', async (t) => {
    const bridged = await start(t)
    for (let n = 0; n < 10; n += 1) await bridged.push(0.3 + n / 100, `/body/DocFragment[3]/body/p[${n + 1}].0`)
    await bridged.bridge.idle()
    bridged.pass(3)
    await bridged.delivered()
    t.ok(bridged.stub.patches.length <= 3, `${bridged.stub.patches.length}`)
    t.equal(bridged.stub.recordOf('ann', book.id)?.ebookProgress, 0.39)
    t.equal(bridged.stub.most, 1)
  })

  t.test('a listener who moved is told at the next pull, at a place that exists', async (t) => {
    const bridged = await start(t)
    await bridged.push(0.1, at(2))
    await bridged.delivered()
    bridged.pass(100)
    bridged.listen(1800)
    const sent = bridged.stub.patches.length
    const told = await bridged.pull()
    t.match(told, {
      document: digest,
      device: 'Audiobookshelf',
      device_id: `abs:${book.id}`,
      progress: '/body/DocFragment[3].0',
    })
    t.ok(told!.percentage > 0.4 && told!.percentage < 0.6, `${told!.percentage}`)
    t.equal(told!.timestamp, Math.floor(bridged.stub.recordOf('ann', book.id)!.lastUpdate / 1000))
    t.same(await bridged.pull(), told, 'and again')
    await bridged.bridge.idle()
    t.equal(bridged.stub.patches.length, sent, 'nothing is sent back')
    await bridged.reopen()
    await bridged.stub.down()
    t.same(await bridged.pull(), told, 'after a restart, while Audiobookshelf is down')
    await bridged.push(0.45, at(4))
    t.match(await bridged.pull(), { device: 'kobo', progress: at(4) }, 'a newer push ends it')
  })

  t.test('a document that was never pushed is told where the listener is', async (t) => {
    const bridged = await start(t)
    bridged.listen(1800, 5)
    t.match(await bridged.pull(), { device_id: `abs:${book.id}`, progress: '/body/DocFragment[3].0' })
    t.equal(bridged.stub.patches.length, 0)
  })

  t.test('404 and 0 are never handed out, and the next push starts again', async (t) => {
    const bridged = await start(t)
    t.equal(await bridged.pull(), undefined)
    bridged.listen(0)
    t.equal(await bridged.pull(), undefined)
    await bridged.push(0.4, at(3))
    await bridged.delivered()
    bridged.pass(100)
    bridged.listen(0, 0, { ebookProgress: 0 })
    t.match(await bridged.pull(), { device: 'kobo' })
    bridged.stub.records.length = 0
    t.match(await bridged.pull(), { device: 'kobo' })
    bridged.pass(100)
    await bridged.push(0.45, at(3))
    await bridged.delivered()
    t.match(bridged.stub.recordOf('ann', book.id), { ebookProgress: 0.45 })
  })

  t.test('a CFI of the reader of Audiobookshelf becomes a fragment', async (t) => {
    const bridged = await start(t)
    await bridged.push(0.1, at(2))
    await bridged.delivered()
    bridged.pass(100)
    bridged.listen(0.0001, 0, { currentTime: 0, ebookProgress: 0.8, ebookLocation: 'epubcfi(/6/8!/4/2)' })
    t.match(await bridged.pull(), { progress: '/body/DocFragment[4].0', percentage: 0.8 })
    bridged.listen(0, 0, { currentTime: 0, ebookProgress: 0.05, ebookLocation: 'epubcfi(/6/4!/4/2)' })
    t.match(await bridged.pull(), { device: 'kobo' }, 'the start of the own chapter is no news')
  })

  t.test('order: a push that was overtaken while Audiobookshelf was down is dropped', async (t) => {
    const bridged = await start(t)
    await bridged.stub.down()
    await bridged.push(0.2, at(2))
    await bridged.bridge.idle()
    t.equal((await bridged.waiting()).length, 1)
    bridged.pass(400)
    await bridged.stub.up()
    bridged.listen(3000, 100)
    bridged.bridge.look()
    await bridged.delivered()
    t.equal(bridged.stub.patches.length, 0)
    t.match(await bridged.pull(), { progress: '/body/DocFragment[4].0' })
  })

  t.test('active player: a push waits until the player has been still for 75 s', async (t) => {
    const bridged = await start(t)
    bridged.listen(1000, 10)
    await bridged.push(0.6, at(4))
    await bridged.bridge.idle()
    t.equal(bridged.stub.patches.length, 0)
    bridged.pass(70)
    await bridged.delivered()
    t.match(bridged.stub.recordOf('ann', book.id), { currentTime: 2400 })
  })

  t.test('stale reader: an old page is held, one that reads on goes out', async (t) => {
    const bridged = await start(t)
    bridged.listen(3000, 100)
    await bridged.push(0.3, at(2))
    await bridged.delivered()
    t.equal(bridged.stub.patches.length, 0)
    bridged.pass(40)
    await bridged.push(0.31, '/body/DocFragment[2]/body/p[3].0')
    await bridged.delivered()
    t.equal(bridged.stub.patches.length, 1)
    t.ok(bridged.stub.recordOf('ann', book.id)!.currentTime < 1200)
  })

  t.test('rewind: where it was agreed, going back goes out at once', async (t) => {
    const bridged = await start(t)
    await bridged.push(0.9, at(4))
    await bridged.delivered()
    bridged.pass(10)
    await bridged.push(0.1, at(2))
    await bridged.delivered()
    t.match(bridged.stub.recordOf('ann', book.id), { currentTime: 0, ebookProgress: 0.1 })
  })

  t.test('rounding: what was heard may be read again, also after a restart, and the listener stays', async (t) => {
    const bridged = await start(t)
    await bridged.push(0.1, at(2))
    await bridged.delivered()
    bridged.pass(200)
    bridged.listen(1800, 100)
    t.match(await bridged.pull(), { progress: '/body/DocFragment[3].0' })
    const before = bridged.stub.patches.length
    await bridged.push(0.4, '/body/DocFragment[3]/body/h1.0')
    await bridged.delivered()
    await bridged.reopen()
    bridged.pass(40)
    await bridged.push(0.45, '/body/DocFragment[3]/body/p[10].0')
    await bridged.delivered()
    t.equal(bridged.stub.patches.length, before)
    bridged.pass(40)
    await bridged.push(0.55, '/body/DocFragment[3]/body/p[20].0')
    await bridged.delivered()
    t.equal(bridged.stub.patches.length, before + 1)
    t.ok(bridged.stub.recordOf('ann', book.id)!.currentTime > 1800)
  })

  t.test('0.9998 finishes nothing, 1 does, and a finished book can be read again', async (t) => {
    const bridged = await start(t)
    const end = '/body/DocFragment[4]/body/p[30]/text().190'
    await bridged.push(0.9998, end)
    await bridged.delivered()
    t.match(bridged.stub.recordOf('ann', book.id), { isFinished: false })
    bridged.pass(10)
    await bridged.push(1, end)
    await bridged.delivered()
    t.match(bridged.stub.recordOf('ann', book.id), { isFinished: true, currentTime: 3600, ebookProgress: 1 })
    bridged.pass(10)
    await bridged.push(0.1, at(2))
    await bridged.delivered()
    t.match(bridged.stub.recordOf('ann', book.id), { isFinished: false, currentTime: 0, ebookProgress: 0.1 })
  })

  t.test('what waits while Audiobookshelf is down is delivered when it is back, also after a restart', async (t) => {
    const bridged = await start(t)
    await bridged.stub.down()
    await bridged.push(0.4, at(3))
    await bridged.bridge.idle()
    const asked = bridged.stub.seen.length
    t.match(await bridged.pull(), { device: 'kobo' })
    t.equal(bridged.stub.seen.length, asked)
    await bridged.reopen()
    await bridged.stub.up()
    bridged.pass(75)
    await bridged.delivered()
    t.match(bridged.stub.recordOf('ann', book.id), { ebookProgress: 0.4 })
  })

  t.test('each user has an own record, and one without a key none', async (t) => {
    const bridged = await start(t, {
      AUDIOBOOKSHELF_USER_MAP: '{"ann": "key-ann", "bob": "key-bob", "dan": false}',
    })
    bridged.stub.addUser('key-bob', 'bob')
    for (const name of ['bob', 'cyd', 'dan']) await bridged.addUser(name)
    for (const name of ['ann', 'bob', 'cyd', 'dan']) await bridged.push(0.4, at(3), { device: name }, name)
    await bridged.delivered()
    t.same(bridged.stub.records.map(({ userId }) => userId).toSorted(), ['id-ann', 'id-bob'])
    t.same(new Set(bridged.stub.seen.map(({ username }) => username)), new Set(['ann', 'bob']))
  })

  t.test('a document that is not linked costs no request once the library is known', async (t) => {
    const bridged = await start(t, { AUDIOBOOKSHELF_DOCUMENT_MAP: `{"${digest}": false}` })
    await bridged.push(0.4, at(3))
    await bridged.pull()
    await bridged.bridge.idle()
    const { length } = bridged.stub.seen
    await bridged.push(0.4, at(3), { document: book.id })
    await bridged.push(0.5, at(3))
    await bridged.pull()
    await bridged.delivered()
    t.equal(bridged.stub.seen.length, length)
    t.equal(bridged.stub.patches.length, 0)
  })

  t.test('an ebook with the digest of the document links it, and what was read before takes part', async (t) => {
    const bridged = await start(t, { AUDIOBOOKSHELF_DOCUMENT_MAP: '' })
    await bridged.push(0.4, at(3), { metadata: { title: 'A Book' } })
    await bridged.delivered()
    await bridged.bridge.idle()
    await bridged.delivered()
    t.match(bridged.stub.recordOf('ann', book.id), { ebookProgress: 0.4, currentTime: 1200 })
    await bridged.push(0.5, at(3), { document: 'other', metadata: { title: 'A Book' } })
    await bridged.delivered()
    t.equal(bridged.stub.records.length, 1, 'a title alone links nothing')
  })

  t.test('two items with one digest: the one with audio, or nobody', async (t) => {
    const bridged = await start(t, { AUDIOBOOKSHELF_DOCUMENT_MAP: '' })
    bridged.stub.addItem({ ...book, id: 'twin', duration: 0, chapters: [] })
    await bridged.push(0.4, at(3))
    await bridged.bridge.idle()
    await bridged.delivered()
    t.ok(bridged.stub.recordOf('ann', book.id))
    const other = await start(t, { AUDIOBOOKSHELF_DOCUMENT_MAP: '' })
    other.stub.addItem({ ...book, id: 'twin' })
    await other.push(0.4, at(3))
    await other.bridge.idle()
    await other.delivered()
    t.equal(other.stub.patches.length, 0)
  })

  t.test('401, 403, 404 and podcasts end after few requests', async (t) => {
    const cases: [string, Partial<AbsItem> | undefined][] = [
      ['refuse', {}],
      ['hidden', { hiddenFrom: ['ann'] }],
      ['gone', undefined],
      ['podcast', { mediaType: 'podcast' }],
    ]
    for (const [what, item] of cases) {
      const bridged = await start(t)
      if (what === 'refuse') bridged.stub.fault = 'refuse'
      if (item) bridged.stub.addItem({ ...book, ...item })
      else bridged.stub.items.delete(book.id)
      await bridged.push(0.4, at(3))
      await bridged.bridge.idle()
      for (let n = 0; n < 5; n += 1) {
        bridged.pass(2)
        await bridged.push(0.4 + n / 100, at(3))
        await bridged.pull()
        await bridged.bridge.idle()
      }
      const { length } = bridged.stub.seen
      t.ok(length <= 3, `${what}: ${length}`)
      t.equal(bridged.stub.patches.length, 0)
      t.equal((await bridged.waiting()).length, what === 'refuse' ? 1 : 0)
    }
  })

  t.test('an account that is renamed or removed takes its part of the bridge along', async (t) => {
    const bridged = await start(t)
    await bridged.stub.down()
    await bridged.push(0.4, at(3))
    await bridged.bridge.idle()
    t.ok(await bridged.admin.renameUser(await bridged.account(), 'anna'))
    t.match(bridged.bridge.parts.outbox.entries, [{ username: 'anna' }])
    await bridged.addUser('bob')
    t.notOk(await bridged.admin.renameUser(await bridged.account('bob'), 'anna'))
    t.match(bridged.bridge.parts.outbox.entries, [{ username: 'anna' }])
    await bridged.store.deleteUser(await bridged.account('anna'))
    t.same(bridged.bridge.parts.outbox.entries, [])
    t.ok(await bridged.store.getUser('bob'))
  })

  t.test('an entry of an account that is gone, or that is two weeks old, is dropped', async (t) => {
    const bridged = await start(t)
    await bridged.stub.down()
    const { outbox } = bridged.bridge.parts
    await outbox.put({ ...(await bridged.account()), id: 'other' }, await bridged.push(0.4, at(3)))
    await bridged.bridge.idle()
    bridged.pass(14 * 86_400 + 60)
    await bridged.delivered()
    t.equal(bridged.stub.patches.length, 0)
  })

  t.test('what an old server adds is sent, too', async (t) => {
    const bridged = await start(t)
    const record = { document: digest, percentage: 0.4, progress: at(3), device: 'old', timestamp: 1_700_000_000 }
    await bridged.store.addProgress(await bridged.account(), record)
    await bridged.bridge.idle()
    t.equal(bridged.stub.patches.length, 0, 'too old for the outbox')
    await bridged.store.addProgress(await bridged.account(), { ...record, document: 'none' })
  })

  t.test('a request that Audiobookshelf refuses as wrong is dropped; a page or a 5xx waits', async (t) => {
    const bridged = await start(t)
    bridged.stub.fault = 'page502'
    bridged.stub.faulty = (path) => path.includes('progress')
    await bridged.push(0.4, at(3))
    await bridged.bridge.idle()
    t.match(bridged.bridge.parts.outbox.entries, [{ tries: 1 }])
    t.equal(bridged.bridge.parts.outage.failure, undefined)
    bridged.stub.items.set(book.id, { ...book, mediaType: 'podcast' })
    bridged.stub.fault = undefined
    bridged.bridge.parts.items.forget()
    await bridged.bridge.retry()
    await bridged.delivered()
    t.equal(bridged.stub.patches.length, 0)
    const other = await start(t)
    other.listen(100, 1000)
    await other.pull()
    other.stub.items.set(book.id, { ...book, mediaType: 'podcast' })
    await other.push(0.4, at(3))
    await other.delivered()
    t.equal(other.stub.patches.length, 1)
  })

  t.test('an entry of a refused key waits, and goes with another key at once', async (t) => {
    const bridged = await start(t, { AUDIOBOOKSHELF_USER_MAP: '{"ann": "wrong"}' })
    await bridged.push(0.4, at(3))
    await bridged.bridge.idle()
    await bridged.push(0.41, at(3))
    await bridged.bridge.idle()
    bridged.pass(10)
    await bridged.bridge.idle()
    t.equal(bridged.stub.seen.length, 1)
    const users = new Map([['ann', { apiKey: 'key-ann' }]])
    bridged.bridge.configure({ ...bridged.bridge.parts.settings(), users, timeoutMs: 50_000 })
    await bridged.bridge.retry()
    await bridged.delivered()
    t.match(bridged.stub.recordOf('ann', book.id), { ebookProgress: 0.41 })
  })

  t.test('a disk that fails keeps the reader served and the entry waiting', async (t) => {
    const bridged = await start(t)
    const { links, data } = bridged.bridge.parts
    const put = data.put.bind(data)
    data.put = () => Promise.reject(new Error('disk'))
    await bridged.push(0.4, at(3))
    await bridged.bridge.idle()
    t.match(bridged.bridge.parts.outbox.entries, [{ tries: 1 }])
    data.put = put
    const find = links.find.bind(links)
    links.find = () => Promise.reject(new Error('disk'))
    t.match(await bridged.pull(), { device: 'kobo' })
    links.find = find
    bridged.pass(200)
    await bridged.delivered()
    t.match(bridged.stub.recordOf('ann', book.id), { ebookProgress: 0.4 })
  })

  t.test('a position that was stored and never came to the outbox is sent at the next pull', async (t) => {
    const bridged = await start(t)
    const { data, store } = bridged.bridge.parts
    await store.putProgress(await bridged.account(), {
      document: digest,
      percentage: 0.4,
      progress: at(3),
      device: 'kobo',
      timestamp: Math.floor(bridged.now / 1000),
    })
    t.match(await bridged.pull(), { device: 'kobo' })
    await bridged.delivered()
    t.match(bridged.stub.recordOf('ann', book.id), { ebookProgress: 0.4 })
    const { length } = bridged.stub.patches
    await bridged.pull()
    await bridged.delivered()
    t.equal(bridged.stub.patches.length, length)
    t.ok(data)
  })

  t.test('news of an item that may not be seen, is missing, is no book or fails is none', async (t) => {
    for (const change of [{ hiddenFrom: ['ann'] }, { isMissing: true }, { mediaType: 'podcast' }]) {
      const bridged = await start(t)
      bridged.listen(1800, 100)
      bridged.stub.addItem({ ...book, ...change })
      t.equal(await bridged.pull(), undefined)
    }
    const gone = await start(t)
    gone.listen(1800, 100)
    gone.stub.items.delete(book.id)
    t.equal(await gone.pull(), undefined)
    const { length } = gone.stub.seen
    t.equal(await gone.pull(), undefined)
    t.equal(gone.stub.seen.length, length)
    const broken = await start(t)
    broken.listen(1800, 100)
    broken.stub.fault = 'page502'
    broken.stub.faulty = (path) => path.endsWith('/ebook')
    t.equal(await broken.pull(), undefined)
    broken.stub.fault = 'refuse'
    broken.stub.faulty = () => true
    t.equal(await broken.pull(), undefined)
    const asked = broken.stub.seen.length
    t.equal(await broken.pull(), undefined)
    t.equal(broken.stub.seen.length, asked, 'a refused key is not used')
  })

  t.test('pages come from the history, for a PDF or where the reader has pages', async (t) => {
    const bridged = await start(t)
    const pdf = { ...book, ebookFormat: 'pdf', duration: 0, chapters: [] }
    bridged.stub.addItem(pdf)
    bridged.listen(0, 1000, { currentTime: 0, ebookProgress: 0.5, ebookLocation: '88' })
    t.equal(await bridged.pull(), undefined, 'without a history nobody knows how many pages there are')
    await bridged.push(0.32, '56')
    await bridged.delivered()
    t.equal(bridged.stub.patches.length, 0)
    bridged.pass(100)
    await bridged.push(0.32, '56', { device: 'kobo' })
    await bridged.delivered()
    bridged.listen(0, 0, { currentTime: 0, ebookProgress: 0.5, ebookLocation: '88' })
    t.match(await bridged.pull(), { progress: '88', percentage: 0.5 })
  })

  t.test('an item with audio alone is told by its percentage, at a place of the history', async (t) => {
    const bridged = await start(t)
    const { ebook: _none, ...audio } = book
    bridged.stub.addItem(audio)
    bridged.listen(1800, 100)
    t.equal(await bridged.pull(), undefined)
    await bridged.push(0.48, at(3), { timestamp: Math.floor(bridged.now / 1000) - 5000 })
    await bridged.push(0.1, at(2), { timestamp: Math.floor(bridged.now / 1000) - 4000 })
    await bridged.delivered()
    bridged.listen(1800, 0)
    t.match(await bridged.pull(), { progress: at(3), percentage: 0.5, device_id: `abs:${book.id}` })
  })

  t.test('a pull waits no longer than its budget, and its answer is kept for the next one', async (t) => {
    const bridged = await start(t, {}, { budgetMs: 1 })
    bridged.listen(1800, 100)
    t.equal(await bridged.pull(), undefined)
    await bridged.bridge.idle()
    t.match(await bridged.pull(), { device: 'Audiobookshelf' })
  })

  t.test('a closed bridge sends nothing, and a stop does not wait for a request that hangs', async (t) => {
    const bridged = await start(t)
    bridged.stub.fault = 'hang'
    await bridged.push(0.4, at(3))
    await bridged.bridge.close()
    bridged.bridge.look()
    t.equal((await bridged.waiting()).length, 1)
    await bridged.stub.down()
  })

  t.test('a user of the map that is not known is told', async (t) => {
    const bridged = await start(t, { AUDIOBOOKSHELF_BASE_URL: 'http://abs.example' })
    t.ok(bridged.bridge.parts.settings().warnings.length > 0)
  })

  t.test('a push that a crash kept from ending it ends what a listener did all the same', async (t) => {
    const bridged = await start(t)
    await bridged.push(0.1, at(2))
    await bridged.delivered()
    bridged.pass(100)
    bridged.listen(1800)
    t.match(await bridged.pull(), { device: 'Audiobookshelf' })
    await bridged.stub.down()
    const { store } = bridged.bridge.parts
    const timestamp = Math.floor(bridged.now / 1000)
    const pushed = { document: digest, percentage: 0.2, progress: at(2), device: 'phone', timestamp }
    await store.putProgress(await bridged.account(), pushed)
    t.match(await bridged.pull(), { device: 'phone' })
  })

  t.test('of many positions four are on their way at once, and all arrive', async (t) => {
    const documents = Array.from({ length: 9 }, (_each, n) => `document-${n}`)
    const map = Object.fromEntries(documents.map((document) => [document, `item-${document}`]))
    const bridged = await start(t, { AUDIOBOOKSHELF_DOCUMENT_MAP: JSON.stringify(map) })
    for (const id of Object.values(map)) bridged.stub.addItem({ ...book, id })
    let release = (): void => undefined
    const released = new Promise<void>((resolve) => (release = resolve))
    bridged.stub.hold = () => released
    await Promise.all(documents.map((document) => bridged.push(0.4, at(3), { document })))
    await until(() => bridged.stub.seen.length >= 4)
    release()
    await bridged.delivered()
    t.equal(bridged.stub.records.length, 9)
    t.equal(bridged.stub.most, 1)
    t.equal(bridged.stub.mostAtOnce, 4)
  })

  t.test('what waits for a document that is not linked any more, or whose item is missing, goes', async (t) => {
    const bridged = await start(t)
    await bridged.stub.down()
    await bridged.push(0.4, at(3))
    await bridged.bridge.idle()
    t.equal((await bridged.waiting()).length, 1)
    await bridged.bridge.linker.link(await bridged.account(), digest, false)
    await bridged.bridge.retry()
    await bridged.delivered()
    const other = await start(t)
    other.stub.addItem({ ...book, isMissing: true })
    await other.push(0.4, at(3))
    await other.delivered()
    t.equal(other.stub.patches.length, 0)
    t.match(await other.bridge.parts.links.obstacleOf(await other.account(), book.id), 'gone')
  })

  t.test('an ebook that cannot be read now lets the position wait', async (t) => {
    const bridged = await start(t)
    bridged.stub.fault = 'page502'
    bridged.stub.faulty = (path) => path.endsWith('/ebook')
    await bridged.push(0.4, at(3))
    await bridged.bridge.idle()
    t.match(bridged.bridge.parts.outbox.entries, [{ tries: 1 }])
    bridged.stub.fault = undefined
    bridged.pass(60)
    await bridged.delivered()
    t.match(bridged.stub.recordOf('ann', book.id), { currentTime: 1200 })
  })

  t.test('of an item without audio, without an ebook or of a few seconds only what it has is sent', async (t) => {
    const { ebook: _ebook, ...audioOnly } = book
    const { chapters: _chapters, ...textOnly } = book
    const sent = async (item: AbsItem): Promise<Record<string, unknown>[]> => {
      const bridged = await start(t)
      bridged.stub.addItem(item)
      await bridged.push(0.4, at(3))
      await bridged.delivered()
      bridged.pass(10)
      await bridged.push(0.6, at(4))
      await bridged.delivered()
      return bridged.stub.patches
    }
    const audio = await sent(audioOnly)
    t.match(audio, [{ currentTime: 1440, duration: 3600, progress: 0.4 }, {}, { currentTime: 2160 }])
    t.notOk(audio.some((body) => 'ebookProgress' in body || 'ebookLocation' in body))
    for (const duration of [0, 10]) {
      const text = await sent({ ...textOnly, duration })
      t.match(text, [{ ebookProgress: 0.4, ebookLocation: 'epubcfi(/6/6!/4)' }, {}, { ebookProgress: 0.6 }])
      t.notOk(text.some((body) => 'currentTime' in body || 'duration' in body || 'isFinished' in body))
    }
  })

  t.test('the wrapped store can be awaited, and has all that it had', async (t) => {
    const { store, admin } = await start(t)
    t.equal(await Promise.resolve(store), store)
    t.match(await admin.listUsers(), { users: [{ username: 'ann' }] })
  })
}
