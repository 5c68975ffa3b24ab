import { plain } from '../plain.ts'

/** Columns that are shortened on a terminal, by their heads: ids to their beginning, the others with an ellipsis. */
const idHeads = new Set(['DOCUMENT', 'ID'])
const textHeads = new Set(['TITLE', 'DEVICE', 'NAME', 'USER'])

/** Characters of a shortened id, or more until the ids of its column differ. */
const idLength = 8

/** Characters of shortened text at least. If the row still does not fit, it continues on a second line. */
const leastText = 12

/** Columns of a terminal. A narrower or wider one counts as one of these widths. */
const [leastColumns, mostColumns] = [40, 200]

const gap = '  '

/** Where a table goes; without a width, as a file or a pipe, nothing is shortened. */
export interface Screen {
  isTTY?: boolean
  columns?: number
}

/** Columns under a head; what came from the network can not steer the terminal. */
export async function table(head: string[], rows: string[][], screen?: Screen): Promise<string> {
  return await tablePages(head, screen)(rows)
}

/** Formats a table page by page, with the head before the first page. Later pages may widen a column. */
export function tablePages(
  head: string[],
  { isTTY, columns }: Screen = process.stdout,
): (rows: string[][]) => Promise<string> {
  // A terminal that does not know its width reports 0.
  const screen = isTTY ? Math.min(Math.max(columns || 80, leastColumns), mostColumns) : Number.POSITIVE_INFINITY
  let natural = head.map(() => 0)
  let isFirst = true
  return async (rows) => {
    const cells = rows.map((row) => row.map(plain))
    const lines = [...(isFirst ? [head] : []), ...(isTTY ? shortenIds(head, cells) : cells)]
    const measure = await loadMeasure(lines)
    isFirst = false
    const needed = widthsOf(lines, measure)
    natural = natural.map((width, at) => Math.max(width, needed[at]!))
    const widths = isTTY ? fit(head, natural, screen) : natural
    return layOut(
      lines.map((row) => row.map((cell, at) => cut(cell, widths[at]!, measure))),
      { widths, measure, screen },
    )
  }
}

/** Tells how many columns of a terminal a text takes. */
type Measure = (text: string) => number

/** The Unicode tables of string-width take a fifth of the time of a command to load. A letter of ASCII is one column. */
async function loadMeasure(rows: string[][]): Promise<Measure> {
  const isAscii = rows.flat().every((cell) => /^[ -~]*$/.test(cell))
  return isAscii ? ({ length }) => length : (await import('string-width')).default
}

function widthsOf(rows: string[][], measure: Measure): number[] {
  return rows[0]!.map((_, at) => rows.reduce((widest, row) => Math.max(widest, measure(row[at] ?? '')), 0))
}

/** Takes from the widest text until the line fits, or no text can be shortened further. */
function fit(head: string[], natural: number[], screen: number): number[] {
  const widths = [...natural]
  const isLong = (at: number): boolean => textHeads.has(head[at]!) && widths[at]! > leastText
  for (let over = lengthOf(widths) - screen; over > 0; over--) {
    const [widest] = [...widths.keys()].filter(isLong).toSorted((one, other) => widths[other]! - widths[one]!)
    if (widest === undefined) break
    widths[widest]! -= 1
  }
  return widths
}

/** An empty last column takes no room. */
function lengthOf(widths: number[]): number {
  const taken = widths.filter((width) => width > 0)
  return taken.reduce((sum, width) => sum + width, 0) + gap.length * (taken.length - 1)
}

interface Layout {
  /** Columns of a terminal that each column of the table takes. */
  widths: number[]
  measure: Measure
  /** Columns of the terminal. */
  screen: number
}

/** Formats each row as one line, or as several, indented after the first, where it is too long. */
function layOut(rows: string[][], { widths, measure, screen }: Layout): string {
  const pad = (cell: string, at: number): string => cell + ' '.repeat(widths[at]! - measure(cell))
  const breaks = breaksOf(widths, screen)
  return rows
    .flatMap((row) => {
      const cells = row.map(pad)
      const lines = breaks.map((from, line) => (line > 0 ? gap : '') + cells.slice(from, breaks[line + 1]).join(gap))
      return lines.map((line) => line.trimEnd()).filter((line, at) => at === 0 || line !== '')
    })
    .map((line) => `${line}\n`)
    .join('')
}

/** The indices of the columns that begin a line. */
function breaksOf(widths: number[], screen: number): number[] {
  const breaks = [0]
  let length = -gap.length
  for (const [at, width] of widths.entries()) {
    length += gap.length + width
    if (length <= screen || width === 0 || at === 0) continue
    breaks.push(at)
    length = gap.length + width
  }
  return breaks
}

function cut(cell: string, width: number, measure: Measure): string {
  if (measure(cell) <= width) return cell
  let kept = ''
  for (const { segment } of new Intl.Segmenter().segment(cell)) {
    if (measure(kept + segment) > width - 1) break
    kept += segment
  }
  return `${kept.trimEnd()}…`
}

/** As long as it takes to tell the ids of a column apart. */
function shortenIds(head: string[], rows: string[][]): string[][] {
  const lengths = head.map((name, at) => {
    if (!idHeads.has(name)) return Number.POSITIVE_INFINITY
    const ids = [...new Set(rows.map((row) => row[at] ?? ''))]
    let length = idLength
    while (new Set(ids.map((id) => id.slice(0, length))).size < ids.length) length += 1
    return length
  })
  return rows.map((row) => row.map((cell, at) => cell.slice(0, lengths[at])))
}
