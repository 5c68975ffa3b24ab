import fc from 'fast-check'
import t from 'tap'
import { bodyOf, valuesOf, type Pushed } from '../../src/audiobookshelf/payload.ts'
import type { Item } from '../../src/audiobookshelf/replies.ts'

const pushed: Pushed = {
  document: 'abc',
  progress: '/body/DocFragment[3]/body/p[2].0',
  percentage: 0.2857,
  device: 'kobo',
  timestamp: 1_795_274_385,
}

const ebook = { ino: '1', size: 5, mtimeMs: 1, format: 'epub', fileName: 'a.epub' }
const item: Item = {
  id: 'item-1',
  isBook: true,
  isMissing: false,
  title: '',
  author: '',
  duration: 3600,
  chapters: [],
  ebook,
}
const audioOnly: Item = { ...item, ebook: undefined }
const ebookOnly: Item = { ...item, duration: 0 }

const send = (push: Pushed, of: Item, seconds: number, isUpdate = true): Record<string, unknown> =>
  bodyOf(push, of, valuesOf(push, of, seconds), isUpdate)

t.test('sends both halves, and extra data only on updates', (t) => {
  const body = {
    currentTime: 1080.5,
    duration: 3600,
    progress: 0.300139,
    ebookProgress: 0.2857,
    ebookLocation: 'epubcfi(/6/6!/4)',
    lastUpdate: 1_795_274_385_000,
  }
  t.same(send(pushed, item, 1080.5, false), body)
  const koreader = {
    document: 'abc',
    rawProgress: pushed.progress,
    percentage: 0.2857,
    device: 'kobo',
    timestamp: 1_795_274_385,
  }
  t.same(send(pushed, item, 1080.5), { ...body, extraData: { libraryItemId: 'item-1', progress: 0.300139, koreader } })
  const long = { ...pushed, progress: `/body/${'x'.repeat(2048)}` }
  t.notOk('extraData' in send(long, item, 5))
  t.end()
})

t.test('sends only the half that the item has', (t) => {
  t.same(Object.keys(send(pushed, audioOnly, 5, false)), ['currentTime', 'duration', 'progress', 'lastUpdate'])
  t.same(Object.keys(send(pushed, ebookOnly, 0)), ['ebookProgress', 'ebookLocation', 'lastUpdate'])
  t.same(Object.keys(send(pushed, { ...ebookOnly, ebook: undefined }, 0)), ['lastUpdate'])
  t.end()
})

t.test('the location is a CFI for EPUB, a page for others, and otherwise absent', (t) => {
  const pdf = { ...item, ebook: { ...ebook, format: 'pdf' } }
  t.equal(send({ ...pushed, progress: '56' }, pdf, 0)['ebookLocation'], '56')
  t.notOk('ebookLocation' in send(pushed, pdf, 0))
  t.notOk('ebookLocation' in send({ ...pushed, progress: '56' }, item, 0))
  t.end()
})

t.test('0.999 and 0.9998 finish nothing, 1 does', (t) => {
  for (const percentage of [0.999, 0.9998, 0.9999]) {
    t.equal(send({ ...pushed, percentage }, item, 3600)['currentTime'], 3585, `${percentage}`)
    t.notOk('isFinished' in send({ ...pushed, percentage }, ebookOnly, 0))
  }
  t.match(send({ ...pushed, percentage: 1 }, item, 100), { currentTime: 3600, progress: 1, ebookProgress: 1 })
  t.notOk('isFinished' in send({ ...pushed, percentage: 1 }, item, 100))
  t.match(send({ ...pushed, percentage: 1 }, ebookOnly, 0), { ebookProgress: 1, isFinished: true })
  t.end()
})

t.test('no percentage below the end, and no time, finishes a book', (t) => {
  fc.assert(
    fc.property(
      fc.double({ min: -1, max: 0.9998, noNaN: true }),
      fc.double({ min: -1e6, max: 1e6, noNaN: true }),
      fc.double({ min: 0.001, max: 1e6, noNaN: true }),
      (percentage, seconds, duration) => {
        const body = send({ ...pushed, percentage }, { ...item, duration }, seconds)
        const { currentTime, ebookProgress } = body as Record<string, number>
        const inside = currentTime === undefined || (currentTime >= 0 && currentTime <= duration - 15)
        return inside && ebookProgress! >= 0 && ebookProgress! < 1 && !('isFinished' in body)
      },
    ),
  )
  t.equal(send(pushed, { ...audioOnly, duration: 12 }, 5)['currentTime'], undefined)
  t.equal(send({ ...pushed, percentage: 1 }, { ...audioOnly, duration: 12 }, 5)['currentTime'], 12)
  t.end()
})
