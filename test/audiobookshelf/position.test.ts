import fc from 'fast-check'
import t from 'tap'
import {
  cfiOfFragment,
  choosePlace,
  countPages,
  fragmentOfCfi,
  fragmentStart,
  parsePage,
  parseXPointer,
} from '../../src/audiobookshelf/position.ts'

t.test('reads XPointers of crengine', (t) => {
  const cases: [string, unknown][] = [
    ['/body/DocFragment[11].0', { fragment: 11, path: '', text: undefined, offset: 0 }],
    ['/body/DocFragment[11]', { fragment: 11, path: '', text: undefined, offset: 0 }],
    ['/body/DocFragment/body.0', { fragment: 1, path: 'body', text: undefined, offset: 0 }],
    ['/body/DocFragment[3]/body/p[7]/text().123', { fragment: 3, path: 'body/p[7]', text: 1, offset: 123 }],
    ['/body/DocFragment[3]/body/DIV[1]/p[12]/text()[2].4', { fragment: 3, path: 'body/div/p[12]', text: 2, offset: 4 }],
    ['/body/DocFragment[3]/body/p/img.0', { fragment: 3, path: 'body/p/img', text: undefined, offset: 0 }],
    ['/body/DocFragment[0].0', undefined],
    ['/body/DocFragment[999999].0', undefined],
    ['epubcfi(/6/4!/4)', undefined],
    ['56', undefined],
    ['', undefined],
  ]
  for (const [progress, expected] of cases) t.same(parseXPointer(progress), expected, progress)
  t.end()
})

t.test('reads the fragment of a CFI', (t) => {
  const cases: [string | undefined, number | undefined][] = [
    ['epubcfi(/6/14!/4/2/1:0)', 7],
    ['epubcfi(/6/14[chap01]!/4)', 7],
    ['epubcfi(/6[spine]/2!/4)', 1],
    ['epubcfi(/6/15!/4)', undefined],
    ['epubcfi(/6/0!/4)', undefined],
    ['epubcfi(/6/99999999!/4)', undefined],
    ['12', undefined],
    [undefined, undefined],
  ]
  for (const [cfi, expected] of cases) t.equal(fragmentOfCfi(cfi), expected, cfi ?? 'none')
  t.end()
})

t.test('a fragment survives both of its forms', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      (fragment) =>
        fragmentOfCfi(cfiOfFragment(fragment)) === fragment &&
        parseXPointer(fragmentStart(fragment))?.fragment === fragment,
    ),
  )
  t.end()
})

t.test('chooses the nearest place before the listener that exists, in the same fragment', (t) => {
  const history = [
    { progress: '/body/DocFragment[2]/body/p[1].0', at: 0.2 },
    { progress: '/body/DocFragment[2]/body/p[9].0', at: 0.29 },
    { progress: '/body/DocFragment[2]/body/p[5].0', at: 0.25 },
    { progress: '/body/DocFragment[3]/body/p[5].0', at: 0.35 },
    { progress: '17', at: 0.28 },
  ]
  t.equal(choosePlace(history, 0.28, 2), '/body/DocFragment[2]/body/p[5].0')
  t.equal(choosePlace(history, 0.31, 3), '/body/DocFragment[3].0')
  t.equal(choosePlace(history, 0.31, undefined), '/body/DocFragment[2]/body/p[9].0')
  t.equal(choosePlace([], 0.31, undefined), undefined)
  t.end()
})

t.test('a chosen place is one of the history, or the start of the fragment', (t) => {
  const place = fc.record({
    progress: fc.integer({ min: 1, max: 5 }).map((n) => `/body/DocFragment[${n}]/body/p[2].0`),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  fc.assert(
    fc.property(
      fc.array(place),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.integer({ min: 1, max: 5 }),
      (places, at, n) => {
        const chosen = choosePlace(places, at, n)
        return chosen === fragmentStart(n) || places.some((each) => each.progress === chosen && each.at <= at)
      },
    ),
  )
  t.end()
})

t.test('counts pages by the furthest page of the history', (t) => {
  t.equal(countPages([]), undefined)
  t.equal(countPages([{ progress: '/body', percentage: 0.5 }]), undefined)
  t.equal(countPages([{ progress: '5', percentage: 0 }]), undefined)
  t.equal(countPages([{ progress: '5', percentage: 1.5 }]), undefined)
  t.equal(
    countPages([
      { progress: '10', percentage: 0.1 },
      { progress: '56', percentage: 0.32 },
    ]),
    175,
  )
  t.equal(countPages([{ progress: '3', percentage: 1 }]), 3)
  t.equal(parsePage('056'), undefined)
  t.end()
})
