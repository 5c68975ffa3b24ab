import type { Progress } from '../kosync/protocol.ts'
import { titleOf } from '../library/titles.ts'
import type { ExportedDocument } from '../store/store.ts'

/** A document, and whose it is. */
export interface DocumentOf extends ExportedDocument {
  username: string
}

const columns = ['username', 'document', 'title', 'time', 'percentage', 'progress', 'device', 'device_id', 'latest']

/** A line for each change of each position. @see RFC 4180 */
export async function* csvOf(documents: AsyncIterable<DocumentOf> | Iterable<DocumentOf>): AsyncGenerator<string> {
  yield csvLine(columns)
  for await (const { username, record, rows } of documents) {
    for (const [at, row] of rows.entries()) {
      yield csvLine([username, ...cellsOf(row, titleOf(record)), at === rows.length - 1 ? 'yes' : 'no'])
    }
  }
}

/** With a byte order mark, without which Excel reads the file in the code page of the machine. */
export async function* withByteOrderMark(lines: AsyncIterable<string>): AsyncGenerator<string> {
  yield '\ufeff'
  yield* lines
}

function cellsOf(
  { document, timestamp, percentage, progress, device, device_id = '' }: Progress,
  title: string,
): string[] {
  const date = new Date(timestamp * 1000)
  const time = Number.isNaN(date.getTime()) ? '' : date.toISOString()
  return [document, title, time, `${percentage}`, progress, device, device_id]
}

/** How a formula begins; a spreadsheet in Japanese takes the full-width forms too. */
const formula = /^[=+@\t\r\n\uff1d\uff0b\uff20\uff0d-]/

/** A cell that a spreadsheet would take for a formula gets an apostrophe: devices name themselves. */
function csvLine(cells: string[]): string {
  const quoted = cells.map((cell) => `"${(formula.test(cell) ? `'${cell}` : cell).replaceAll('"', '""')}"`)
  return `${quoted.join(',')}\r\n`
}
