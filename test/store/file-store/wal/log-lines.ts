import { encodeBatch, segmentHeader } from '../../../../src/store/file-store/wal/record.ts'

/** The text of a segment; each item is the records of one batch. */
export function segment(number: number, ...batches: string[]): string {
  return segmentHeader(number) + batches.map((records) => encodeBatch(number, records)).join('')
}
