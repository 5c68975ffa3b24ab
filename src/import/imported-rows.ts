import type { Progress } from '../kosync/protocol.ts'
import { DamagedFile } from '../damaged-file.ts'
import { hasCode } from '../error-code.ts'
import { toProgress } from '../store/file-store/files/progress-file.ts'
import { quote } from './one-line.ts'
import type { ImportedDocument, Problem } from './source.ts'
import { isDocument, isText, isTooLarge } from './wire-rules.ts'

/** Collects the documents of one user of another server. Records that cannot be imported become problems. */
export class ImportedRows {
  readonly problems: Problem[] = []
  readonly #documents = new Map<string, ImportedDocument>()

  get documents(): ImportedDocument[] {
    return [...this.#documents.values()]
  }

  /** `where` names the record in a problem. A record without a time gets `fileTime`, in seconds since 1970. */
  add(record: Record<string, unknown>, where: string, fileTime: number, title?: unknown): void {
    try {
      this.#put(toRow(record, where, fileTime), title)
    } catch (error) {
      this.problems.push(toProblem(error, where))
    }
  }

  #put(row: Progress, title: unknown): void {
    const known = this.#documents.get(row.document)
    const document = known ?? { rows: [] }
    if (!known) this.#documents.set(row.document, document)
    document.rows.push(row)
    if (typeof title === 'string' && title !== '' && isText(title)) document.title = title
  }
}

/** Why a record or a file cannot be imported. Rethrows errors that neither the data nor the disk caused. */
export function toProblem(error: unknown, where: string): Problem {
  if (error instanceof DamagedFile) return { problem: error.message }
  if (error instanceof Error && 'code' in error) {
    const reason = hasCode(error, 'ENOENT') ? 'is gone' : `cannot be read (${String(error.code)})`
    return { problem: `${where}: ${reason}` }
  }
  throw error
}

function toRow(record: Record<string, unknown>, where: string, fileTime: number): Progress {
  const { device_id, ...fields } = record
  const row = toProgress(
    {
      ...fields,
      // Go writes an empty string for a missing value.
      ...(typeof device_id === 'string' && device_id !== '' && isText(device_id) && { device_id }),
      percentage: toScalar(record['percentage']),
      timestamp: toScalar(record['timestamp']),
    },
    where,
    fileTime,
  )
  if (!isDocument(row.document)) throw new DamagedFile(where, `kss takes no document ${quote(row.document)}`)
  if (!isText(row.progress)) throw new DamagedFile(where, 'its progress is not Unicode')
  if (!isText(row.device)) throw new DamagedFile(where, 'its device is not Unicode')
  if (isTooLarge(row)) throw new DamagedFile(where, 'is larger than any position of a reader')
  return row
}

/** An object becomes NaN, since converting it to a number may throw. */
function toScalar(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? Number.NaN : value
}
