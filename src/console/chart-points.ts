import type { Progress } from '../kosync/protocol.ts'

/** A history row in the chart. */
export interface Point {
  x: number
  y: number
  row: Progress
}

export const plot = { width: 360, height: 180, left: 44, right: 350, top: 10, bottom: 170 }

/** The columns of the chart, each of which shows a few points. */
const columns = 40

/** 2001: an earlier time is of a clock that was wrong. */
const firstTime = 1e9

const day = 86_400

export interface Placed {
  points: Point[]
  /** Seconds since 1970 at the left and the right end. */
  from: number
  to: number
}

/** Rows in the order of their times. A time of a wrong clock is moved to an edge, so that it does not squeeze the others. */
export function placePoints(rows: [Progress, ...Progress[]], now: number): Placed {
  const times = rows.map(({ timestamp }) => timestamp)
  const right = times.filter((time) => time >= firstTime && time <= now + day)
  const known = right.length > 0 ? right : times
  const [from, to] = [known[0]!, known.at(-1)!]
  const points = rows.map((row) => ({
    x: scale(to > from ? (row.timestamp - from) / (to - from) : 0.5, plot.left, plot.right),
    y: levelOf(row.percentage),
    row,
  }))
  return { points, from, to }
}

/** The height of a fraction in the chart. */
export function levelOf(percentage: number): number {
  return scale(percentage, plot.bottom, plot.top)
}

/** A part from 0 to 1 between two ends, with one decimal. */
function scale(part: number, from: number, to: number): number {
  return Number((from + Math.min(Math.max(part, 0), 1) * (to - from)).toFixed(1))
}

/** The lowest and the highest point of each column, so that the chart is bounded for any number of points. */
export function thinMarks(points: Point[]): Point[] {
  return thin(points, (column) => [lowest(column), highest(column)])
}

/** As above, with the first and the last point of each column, for a line through them. */
export function thinLine(points: Point[]): Point[] {
  return thin(points, (column) => [column[0]!, lowest(column), highest(column), column.at(-1)!])
}

function thin(points: Point[], choose: (column: Point[]) => Point[]): Point[] {
  const groups = new Map<number, Point[]>()
  for (const point of points) {
    const column = Math.floor(((point.x - plot.left) / (plot.right - plot.left)) * columns)
    const group = groups.get(column)
    if (group) group.push(point)
    else groups.set(column, [point])
  }
  const kept = new Set([...groups.values()].flatMap(choose))
  return points.filter((point) => kept.has(point))
}

/** In a picture y grows downwards. */
function lowest(points: Point[]): Point {
  return points.reduce((one, other) => (other.y > one.y ? other : one))
}

function highest(points: Point[]): Point {
  return points.reduce((one, other) => (other.y < one.y ? other : one))
}
