import t from 'tap'
import { drawChart } from '../../src/console/chart.ts'
import { name, type Html } from '../../src/console/page.ts'
import type { Progress } from '../../src/kosync/protocol.ts'
import { pushed } from '../store/contract.ts'

const now = 1_800_000_000
const day = 86_400

const row = (daysAgo: number, percentage: number, device = 'Kobo'): Progress => ({
  ...pushed,
  percentage,
  device,
  timestamp: now - daysAgo * day,
})

const draw = (rows: Progress[]): string => String(drawChart(rows, now, ({ device }) => name(device)))

/** Where the line goes, as [x, y]. */
const lineOf = (svg: string): number[][] => {
  const [, line = ''] = /<path d="M([^"]*)" fill="none" stroke="currentColor"\/>/.exec(svg) ?? []
  return line.split('L').map((point) => point.split(' ').map(Number))
}

/** How many marks there are of each reader. */
const marksOf = (svg: string): number[] =>
  [...svg.split('<figcaption>')[0]!.matchAll(/^<path d="(M\S+ [^"]*m[^"]*)"/gm)].map(
    ([, path = '']) => path.split('M').length - 1,
  )

t.test('without a row there is no chart', (t) => {
  t.equal(
    drawChart([], now, () => name('')),
    undefined,
  )
  t.equal(
    drawChart([row(1, NaN), row(NaN, 0.5), row(1, Infinity)], now, () => name('')),
    undefined,
  )
  t.end()
})

t.test('one row is one mark in the middle', (t) => {
  const svg = draw([row(1, 0.5)])
  t.same(lineOf(svg), [[197, 90]])
  t.match(svg, '<title id="chart-title">Progress: 50 %</title>')
  t.match(svg, /<figcaption>\n<p><time datetime="2027-01-14T08:00:00.000Z"[^>]*>[^<]*<\/time><\/p>/)
  t.same(marksOf(svg), [1])
  t.end()
})

t.test('time goes to the right, progress up, in the order of the times', (t) => {
  const svg = draw([row(4, 0), row(1, 1), row(2, 0.25)])
  t.same(lineOf(svg), [
    [44, 170],
    [248, 130],
    [350, 10],
  ])
  t.match(svg, '<title id="chart-title">Progress from 0 % to 100 % in 3 changes by one reader</title>')
  t.match(svg, /2027-01-11.* to <time datetime="2027-01-14/)
  t.end()
})

t.test('a fraction out of range is at the edge', (t) => {
  t.same(
    lineOf(draw([row(3, -1), row(2, NaN), row(1, 43)])).map(([, y]) => y),
    [170, 10],
  )
  t.end()
})

t.test('a time of a wrong clock is at the edge, and does not squeeze the others', (t) => {
  const svg = draw([{ ...row(0, 0.1), timestamp: 0 }, row(2, 0.2), row(1, 0.3), { ...row(0, 0.4), timestamp: 9e10 }])
  t.same(
    lineOf(svg).map(([x]) => x),
    [44, 44, 350, 350],
  )
  t.match(svg, /<figcaption>\n<p><time datetime="2027-01-13/)
  t.same(
    lineOf(draw([5, 8, 6].map((timestamp) => ({ ...pushed, timestamp })))).map(([x]) => x),
    [44, 146, 350],
    'where all are wrong, they are all there is',
  )
  t.end()
})

t.test('changes of one second are above each other', (t) => {
  const svg = draw([row(1, 0), row(1, 0.5), row(1, 1)])
  t.same(lineOf(svg), [
    [197, 170],
    [197, 10],
  ])
  t.same(marksOf(svg), [2])
  t.notMatch(svg, ' to <time')
  t.end()
})

t.test('each reader has a shape of its own, and the legend names it', (t) => {
  const svg = draw([row(4, 0.1, 'Phone'), row(3, 0.2), row(2, 0.3), row(1, 0.4, 'Phone'), row(0, 0.5)])
  t.same(marksOf(svg), [3, 2])
  t.match(svg, 'in 5 changes by 2 readers')
  const legend = [...svg.matchAll(/<li><svg[^>]*><path d="([^"]*)" fill="(\w+)".*\n<\/svg> (.*)<\/li>/g)]
  t.same(
    legend.map(([, , fill, reader]) => [fill, reader]),
    [
      ['currentColor', '<bdi>Kobo</bdi>'],
      ['none', '<bdi>Phone</bdi>'],
    ],
  )
  t.equal(new Set(legend.map(([, path]) => path)).size, 2)
  t.end()
})

t.test('a reader goes by its id, and by its latest name', (t) => {
  const renamed = [row(2, 0.1, 'old'), row(1, 0.2, 'new')].map((each) => ({ ...each, device_id: 'A' }))
  const svg = draw([...renamed, row(0, 0.3, 'new')])
  t.same(marksOf(svg), [2, 1])
  t.notMatch(svg, '<bdi>old</bdi>')
  t.end()
})

t.test('readers for whom no shape is left have one together', (t) => {
  const svg = draw(Array.from({ length: 50 }, (_, at) => row(at, 0.5, `reader ${at}`)))
  t.equal(svg.match(/<li>/g)?.length, 8)
  t.match(svg, '</svg> other readers</li>')
  t.same(marksOf(svg).slice(0, 7), [1, 1, 1, 1, 1, 1, 1])
  t.end()
})

t.test('10,000 changes of 20 readers are a bounded picture, and no wrong sync is lost', (t) => {
  const rows = Array.from({ length: 10_000 }, (_, at) => row((10_000 - at) / 24, at / 10_000, `reader ${at % 20}`))
  rows[5000] = row(5000 / 24, 0.01, 'reader 0')
  const svg = draw(rows)
  t.ok(svg.length < 40_000, `${svg.length} bytes`)
  t.ok(lineOf(svg).length <= 160)
  t.ok(lineOf(svg).some(([x, y]) => x === 197 && y === 168.4))
  t.match(svg, 'in 10000 changes by 20 readers')
  t.end()
})

t.test('what a stranger named is text', (t) => {
  const hostile = `"><script>alert('1')</script>\u202e`
  const svg = draw([row(1, 0.5, hostile)])
  t.match(svg, '<bdi>&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;\u202e</bdi>')
  t.notMatch(svg, '<script')
  const unnamed = ({ device }: Progress): Html => name(device)
  t.match(String(drawChart([row(1, 0.5, '')], now, unnamed)), '<bdi></bdi>')
  t.end()
})
