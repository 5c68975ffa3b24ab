import stringWidth from 'string-width'
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
export function table(head: string[], rows: string[][], screen?: Screen): string {
  return tablePages(head, screen)(rows)
}

/** Formats a table page by page, with the head before the first page. Later pages may widen a column. */
export function tablePages(head: string[], { isTTY, columns }: Screen = process.stdout): (rows: string[][]) => string {
  // A terminal that does not know its width reports 0.
  const screen = isTTY ? Math.min(Math.max(columns || 80, leastColumns), mostColumns) : Number.POSITIVE_INFINITY
  let natural = widthsOf([head])
  let isFirst = true
  return (rows) => {
    const cells = rows.map((row) => row.map(plain))
    const lines = [...(isFirst ? [head] : []), ...(isTTY ? shortenIds(head, cells) : cells)]
    isFirst = false
    const needed = widthsOf(lines)
    natural = natural.map((width, at) => Math.max(width, needed[at]!))
    const widths = isTTY ? fit(head, natural, screen) : natural
    return layOut(
      lines.map((row) => row.map((cell, at) => cut(cell, widths[at]!))),
      widths,
      screen,
    )
  }
}

function widthsOf(rows: string[][]): number[] {
  return rows[0]!.map((_, at) => rows.reduce((widest, row) => Math.max(widest, stringWidth(row[at] ?? '')), 0))
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

/** Formats each row as one line, or as several, indented after the first, where it is too long. */
function layOut(rows: string[][], widths: number[], screen: number): string {
  const pad = (cell: string, at: number): string => cell + ' '.repeat(widths[at]! - stringWidth(cell))
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

function cut(cell: string, width: number): string {
  if (stringWidth(cell) <= width) return cell
  let kept = ''
  for (const { segment } of new Intl.Segmenter().segment(cell)) {
    if (stringWidth(kept + segment) > width - 1) break
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
