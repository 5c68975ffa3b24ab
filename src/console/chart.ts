import type { Progress } from '../kosync/protocol.ts'
import { deviceKey } from '../library/devices.ts'
import { levelOf, placePoints, plot, thinLine, thinMarks, type Point } from './chart-points.ts'
import { html, percentage, time, type Html } from './page.ts'

/** Readers are told apart by shape: e-ink has no colours. */
interface Mark {
  /** An SVG path around the point that it begins in. */
  path: string
  isFilled: boolean
}

const circle = 'm-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z'

const marks: Mark[] = [
  { path: circle, isFilled: true },
  { path: 'm-4-4h8v8h-8z', isFilled: false },
  { path: 'm0-5l5 9h-10z', isFilled: true },
  { path: 'm-4-4l8 8m0-8l-8 8', isFilled: false },
  { path: 'm0-5l5 5l-5 5l-5-5z', isFilled: true },
  { path: 'm-5 0h10m-5-5v10', isFilled: false },
  { path: 'm0 5l5-9h-10z', isFilled: true },
]

/** The mark of all remaining readers when each other mark has a reader. */
const lastMark: Mark = { path: circle, isFilled: false }

interface Series {
  name: Html
  mark: Mark
  points: Point[]
}

/**
 * The progress in a book over time, with a mark for each reader and a legend. `now` is in seconds since 1970; `nameOf`
 * returns the reader of a row. The page lists the changes in words too. Undefined if there is nothing to draw.
 */
export function drawChart(rows: Progress[], now: number, nameOf: (row: Progress) => Html): Html | undefined {
  const [first, ...others] = rows
    .filter((row) => Number.isFinite(row.percentage) && Number.isFinite(row.timestamp))
    .toSorted((one, other) => one.timestamp - other.timestamp)
  if (!first) return undefined
  const { points, from, to } = placePoints([first, ...others], now)
  const series = seriesOf(points, nameOf)
  return html`<figure class="chart">
<svg viewBox="0 0 ${plot.width} ${plot.height}" width="${2 * plot.width}" height="${2 * plot.height}" role="img" aria-labelledby="chart-title">
<title id="chart-title">${titleOf(first, others)}</title>
${[0, 0.5, 1].map(drawLevel)}<path d="${lineOf(points)}" fill="none" stroke="currentColor"/>
${series.map(({ mark, points: own }) => drawMark(mark, thinMarks(own)))}</svg>
<figcaption>
<p>${time(from)}${to > from && html` to ${time(to)}`}</p>
<ul class="legend">
${series.map(drawLegend)}</ul>
</figcaption>
</figure>`
}

function titleOf(first: Progress, others: Progress[]): string {
  const last = others.at(-1)
  if (!last) return `Progress: ${percentage(first.percentage)}`
  const readers = new Set([first, ...others].map(deviceKey)).size
  const by = readers === 1 ? 'one reader' : `${readers} readers`
  return `Progress from ${percentage(first.percentage)} to ${percentage(last.percentage)} in ${others.length + 1} changes by ${by}`
}

function drawLevel(fraction: number): Html {
  const y = levelOf(fraction)
  return html`<path d="M${plot.left} ${y}H${plot.right}" stroke="currentColor" stroke-width="0.3"/>
<text x="${plot.left - 6}" y="${y + 4}" text-anchor="end" font-size="11" fill="currentColor">${percentage(fraction)}</text>
`
}

/** The reader with most changes first; readers without a mark of their own share the last one. */
function seriesOf(points: Point[], nameOf: (row: Progress) => Html): Series[] {
  const readers = new Map<string, Point[]>()
  for (const point of points) {
    const key = deviceKey(point.row)
    const own = readers.get(key)
    if (own) own.push(point)
    else readers.set(key, [point])
  }
  const sorted = [...readers.values()].toSorted((one, other) => other.length - one.length)
  const series = sorted.slice(0, marks.length).map((own, at) => ({
    // The latest point.
    name: nameOf(own.at(-1)!.row),
    mark: marks[at]!,
    points: own,
  }))
  const others = sorted.slice(marks.length)
  if (others.length === 0) return series
  return [...series, { name: html`other readers`, mark: lastMark, points: others.flat() }]
}

function lineOf(points: Point[]): string {
  const [first = '', ...others] = thinLine(points).map(({ x, y }) => `${x} ${y}`)
  return `M${first}${others.map((to) => `L${to}`).join('')}`
}

function drawMark({ path, isFilled }: Mark, points: Pick<Point, 'x' | 'y'>[]): Html {
  const all = points.map(({ x, y }) => `M${x} ${y}${path}`).join('')
  return html`<path d="${all}" fill="${isFilled ? 'currentColor' : 'none'}" stroke="currentColor"/>
`
}

function drawLegend({ name, mark }: Series): Html {
  return html`<li><svg viewBox="-6 -6 12 12" width="16" height="16" aria-hidden="true">${drawMark(mark, [{ x: 0, y: 0 }])}</svg> ${name}</li>
`
}
