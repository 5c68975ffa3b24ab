import fc from 'fast-check'
import t from 'tap'
import { readEpub, type BookText } from '../../src/audiobookshelf/epub.ts'
import { Mapping, type MappingFacts, type Position } from '../../src/audiobookshelf/mapping.ts'
import { fragmentStart } from '../../src/audiobookshelf/position.ts'
import type { AudioChapter } from '../../src/audiobookshelf/replies.ts'
import { makeEpub, paragraphs } from './make-epub.ts'

const chapters: AudioChapter[] = [
  { title: 'Opening Credits', start: 0, end: 20 },
  { title: 'Chapter 1', start: 20, end: 620 },
  { title: 'Chapter 2', start: 620, end: 1220 },
  { title: 'Chapter 3', start: 1220, end: 2020 },
  { title: 'End Credits', start: 2020, end: 2050 },
]

const sizes: [string, number][] = [
  ['Dedication', 300],
  ['One', 9000],
  ['Two', 8000],
  ['Three', 12_000],
  ['Notes', 20_000],
]

async function readBook(): Promise<BookText> {
  return await readEpub(makeEpub(sizes.map(([title, size]) => ({ title, text: paragraphs(size) }))))
}

const facts = (book: BookText | undefined, more: Partial<MappingFacts> = {}): MappingFacts => ({
  duration: 2050,
  chapters,
  book,
  history: [],
  ...more,
})

/** A place of a mapping as a reader would push it: by its fragment and the characters in it. */
function pushOf(book: BookText, fragment: number, characters: number, percentage: number): Position {
  const [path = 'body'] =
    Object.entries(book.fragments[fragment - 1]!.before).findLast(
      ([each, before]) => each.includes('/p') && before <= characters,
    ) ?? []
  const before = book.fragments[fragment - 1]!.before[path] ?? 0
  return { progress: `/body/DocFragment[${fragment}]/${path}/text().${Math.round(characters - before)}`, percentage }
}

t.test('the chapter comes from the XPointer, never from the percentage', async (t) => {
  const book = await readBook()
  const mapping = new Mapping(facts(book))
  t.equal(mapping.method, 'chapters')
  t.equal(mapping.toSeconds({ progress: fragmentStart(3), percentage: 0.1 }), 620)
  t.equal(
    mapping.toSeconds({ progress: fragmentStart(1), percentage: 0.9 }),
    20,
    'front matter is at the nearest chapter',
  )
  t.equal(mapping.toSeconds({ progress: fragmentStart(5), percentage: 0.1 }), 2020, 'and so is back matter')
  const half = pushOf(book, 2, book.fragments[1]!.characters / 2, 0)
  t.ok(Math.abs(mapping.toSeconds(half) - 320) < 1)
  t.equal(mapping.toSeconds({ progress: '/body/DocFragment[3]/body.0', percentage: 0.9 }), 620)
  t.ok(mapping.toSeconds({ progress: '/body/DocFragment[3]/body/p[3].0', percentage: 0 }) > 620)
})

t.test('an element that is not found is at the percentage, inside the fragment', async (t) => {
  const mapping = new Mapping(facts(await readBook()))
  const at = (percentage: number, path: string): number =>
    mapping.toSeconds({ progress: `/body/DocFragment[3]/${path}`, percentage })
  for (const path of ['body/div[7].0', 'body/div/text().5', 'body/p[2]/text()[4].1', 'body/text().3']) {
    t.equal(at(0, path), 620, path)
    t.equal(at(1, path), 1220, path)
    t.ok(at(0.25, path) > 620 && at(0.25, path) < 1220, path)
  }
  t.equal(at(0, 'text().4'), 620)
})

t.test('a text node after an element has characters of its own before it', async (t) => {
  const text = ['x <b>bold words</b> and more', ...paragraphs(4000)]
  const book = await readEpub(makeEpub([{ title: 'One', text }]))
  const mapping = new Mapping({ duration: 1000, chapters: [{ title: '1', start: 0, end: 1000 }], book, history: [] })
  const [first, second] = ['text().1', 'text()[2].1'].map((node) =>
    mapping.at({ progress: `/body/DocFragment/body/p/${node}`, percentage: 0 }),
  )
  t.ok(second! > first!)
})

t.test('a page, and a fragment that is not there, are at their percentage of the time', async (t) => {
  const mapping = new Mapping(facts(await readBook()))
  t.equal(mapping.toSeconds({ progress: '56', percentage: 0.5 }), 1025)
  t.equal(mapping.toSeconds({ progress: fragmentStart(6), percentage: 2 }), 2050)
  t.equal(mapping.at({ progress: fragmentStart(6), percentage: 0.3 }), 0.3)
})

t.test('there and back is within 1 s for every time of the audio that reads the text', async () => {
  const book = await readBook()
  const mapping = new Mapping(facts(book))
  fc.assert(
    fc.property(fc.double({ min: 20, max: 2019, noNaN: true }), (seconds) => {
      const { fragment, at, percentage } = mapping.toPlace(seconds)
      const total = book.fragments.reduce((sum, { characters }) => sum + characters, 0)
      const start = book.fragments.slice(0, fragment! - 1).reduce((sum, { characters }) => sum + characters, 0)
      const pushed = pushOf(book, fragment!, at * total - start, percentage)
      return Math.abs(mapping.toSeconds(pushed) - seconds) <= 1
    }),
  )
})

t.test('without chapters or a book the percentage of the time counts, there and back too', async (t) => {
  const book = await readBook()
  const flat = { chapters: [{ title: 'All', start: 0, end: 2050 }] }
  for (const mapping of [
    new Mapping(facts(undefined)),
    new Mapping(facts(book, flat)),
    new Mapping(facts(book, { chapters: [] })),
  ]) {
    t.equal(mapping.method, 'proportional')
    fc.assert(
      fc.property(fc.double({ min: 0, max: 2050, noNaN: true }), (seconds) => {
        const { percentage } = mapping.toPlace(seconds)
        return Math.abs(mapping.toSeconds({ progress: '/body/x', percentage }) - seconds) <= 1
      }),
    )
  }
  t.equal(new Mapping(facts(undefined)).toPlace(1025).fragment, undefined)
  t.ok(new Mapping(facts(book, flat)).toPlace(1025).fragment)
})

t.test('a later place is never earlier in the audio', async () => {
  const book = await readBook()
  const mapping = new Mapping(facts(book))
  const place = fc
    .integer({ min: 1, max: 5 })
    .chain((n) => fc.tuple(fc.constant(n), fc.nat({ max: book.fragments[n - 1]!.characters })))
  fc.assert(
    fc.property(place, place, (one, other) => {
      const [first, second] = [one, other].toSorted(([f1, c1], [f2, c2]) => f1 - f2 || c1 - c2)
      const seconds = [first!, second!].map(([fragment, characters]) =>
        mapping.toSeconds(pushOf(book, fragment, characters, 0)),
      )
      return seconds[0]! <= seconds[1]! + 1e-6
    }),
  )
})

t.test("the percentage of a place follows the document's own positions", async (t) => {
  const book = await readBook()
  const history = [
    { progress: fragmentStart(3), percentage: 0.25 },
    { progress: fragmentStart(4), percentage: 0.5 },
    { progress: fragmentStart(2), percentage: 0.4 },
    { progress: '/body/DocFragment[4]/body/none.0', percentage: 0.9 },
    { progress: '12', percentage: 0.9 },
  ]
  const mapping = new Mapping(facts(book, { history: history.toSpliced(2, 1) }))
  t.equal(mapping.toPlace(620).percentage, 0.25)
  t.equal(mapping.toPlace(1220).percentage, 0.5)
  t.ok(Math.abs(mapping.toPlace(920).percentage - 0.375) < 0.001)
  t.equal(mapping.toPlace(620).fragment, 3)
  t.equal(mapping.toPlace(2050).fragment, 5, 'the end credits are after the last chapter')
  const falling = new Mapping(facts(book, { history }))
  t.ok(falling.toPlace(620).percentage <= falling.toPlace(1220).percentage)
})

t.test('an ebook place stays in its fragment', async (t) => {
  const book = await readBook()
  const mapping = new Mapping(facts(book, { duration: 0, chapters: [] }))
  t.equal(mapping.method, 'ebook only')
  t.match(mapping.toPlaceOfEbook(0.9, 2), { fragment: 2, percentage: 0.9 })
  t.ok(mapping.toPlaceOfEbook(0.9, 2).at < mapping.at({ progress: fragmentStart(3), percentage: 0 }))
  t.equal(mapping.toPlaceOfEbook(0, undefined).fragment, 1)
  t.match(mapping.toPlaceOfEbook(0.4, 9), { fragment: 9 })
  t.same(new Mapping(facts(undefined)).toPlaceOfEbook(0.4, 2), { percentage: 0.4, at: 0.4, fragment: 2 })
  const empty = { fragments: [{ characters: 0, before: {} }], contents: [] }
  t.equal(new Mapping(facts(empty, { duration: 0 })).toPlaceOfEbook(0.5, undefined).fragment, 1)
})

/** Numbers from 0 to 1, the same in each run. */
function numbers(seed: number): () => number {
  let state = seed
  return () => (state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32) / 2 ** 32
}

/**
 * A book that a simulated person reads aloud: 30 chapters of 6,000 to 18,000 characters, each 10 % faster or slower than the
 * last, each paragraph 12 % faster or slower than its chapter; notes at the end that nobody reads.
 */
async function narrate(): Promise<{ book: BookText; audio: AudioChapter[]; told: [Position, number][] }> {
  const next = numbers(7)
  const spread = (by: number): number => 1 + by * (2 * next() - 1)
  const titles = Array.from({ length: 30 }, (_each, at) => `Chapter ${at + 1}`)
  const text = titles.map((title) => ({ title, text: paragraphs(6000 + Math.floor(next() * 12_000)) }))
  const book = await readEpub(makeEpub([...text, { title: 'Notes', text: paragraphs(60_000) }]))
  const total = book.fragments.reduce((sum, { characters }) => sum + characters, 0)
  const audio: AudioChapter[] = []
  const told: [Position, number][] = []
  let time = 15
  let before = 0
  for (const [at, title] of titles.entries()) {
    const start = time
    const { characters, before: places } = book.fragments[at]!
    const speed = 15 * spread(0.1)
    const starts = Object.entries(places).filter(([path]) => /^body\/p(\[\d+\])?$/.test(path))
    for (const [index, [path, from]] of starts.entries()) {
      told.push([{ progress: `/body/DocFragment[${at + 1}]/${path}.0`, percentage: (before + from) / total }, time])
      time += ((starts[index + 1]?.[1] ?? characters) - from) / (speed * spread(0.12))
    }
    before += characters
    audio.push({ title, start, end: time })
  }
  return { book, audio, told }
}

t.test(
  'the times of a simulated narration are met within 15 s, and a percentage of the time is minutes off',
  async (t) => {
    const { book, audio, told } = await narrate()
    const duration = audio.at(-1)!.end
    const errorsOf = (given: AudioChapter[]): { average: number; most: number } => {
      const mapping = new Mapping({ duration, chapters: given, book, history: [] })
      const errors = told.map(([position, seconds]) => Math.abs(mapping.toSeconds(position) - seconds))
      return { average: errors.reduce((sum, each) => sum + each, 0) / errors.length, most: Math.max(...errors) }
    }
    const [aligned, proportional] = [errorsOf(audio), errorsOf([])]
    t.comment(`${told.length} places in ${Math.round(duration)} s`, aligned, proportional)
    t.ok(aligned.most <= 15, `${aligned.most}`)
    t.ok(proportional.average > 60, `${proportional.average}`)
  },
)
