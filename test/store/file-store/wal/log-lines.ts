import { basename, dirname } from 'node:path'
import { encodeBatch, segmentHeader } from '../../../../src/store/file-store/wal/record.ts'

/** The text of a segment; each item is the records of one batch. */
export function segment(number: number, ...batches: string[]): string {
  return segmentHeader(number) + batches.map((records) => encodeBatch(number, records)).join('')
}

/** A record of a push; `push` is its JSON, and `more` further fields. Without sums, as builds of kss 0.2 wrote it. */
export function pushRecord(path: string, push: string, isRow = true, more: object = {}): string {
  const row = isRow ? {} : { row: false }
  return `${JSON.stringify({ ...placed('push', path), push: JSON.parse(push) as unknown, ...row, ...more })}\n`
}

/** A record of all pushes of a document that are not in its files; `rows` and `record` are JSON. */
export function keptRecord(path: string, rows: string[], record: string): string {
  const [parsedRows, parsed] = [rows.map((row) => JSON.parse(row) as unknown), JSON.parse(record) as unknown]
  return `${JSON.stringify({ ...placed('kept', path), rows: parsedRows, record: parsed })}\n`
}

function placed(kind: string, path: string): object {
  return { kind, folder: basename(dirname(path)), file: basename(path), time: 0 }
}
