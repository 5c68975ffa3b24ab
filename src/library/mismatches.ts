import { filenameMd5 } from '../document-id.ts'
import type { Progress } from '../kosync/protocol.ts'
import { titleOf } from './titles.ts'

/** What a reader makes a document's id of. @see PROTOCOL.md §5 */
export type MatchingMethod = 'content' | 'filename'

/** How the id of the record was made; undefined when nothing tells, as with a reader that sends no file name. */
export function matchingMethod(record: Progress): MatchingMethod | undefined {
  const sum = sumOf(record)
  if (sum === undefined || !/^[0-9a-f]{32}$/.test(record.document)) return undefined
  return sum === record.document ? 'filename' : 'content'
}

/** One book under two ids, because its readers match documents by different methods. @see PROTOCOL.md §5 */
export interface Mismatch {
  byContent: Progress
  byFileName: Progress
}

/**
 * The books of an account that are there twice. An id is that of a file name when it is the MD5 of the name in this
 * record or in another one of the same title; the other record then has the id of the content. One at a time: records
 * that all have one title make a mismatch of each pair.
 */
export function* findMismatches(records: Progress[]): Generator<Mismatch> {
  const sums = new Map(records.map((record) => [record, sumOf(record)]))
  const ofFileNames = new Set(sums.values())
  const others = records.filter(({ document }) => !ofFileNames.has(document))
  const bySum = groupBy(others, (record) => sums.get(record))
  const byTitle = groupBy(others, ({ metadata }) => metadata?.title || undefined)
  for (const byFileName of records.filter(({ document }) => ofFileNames.has(document))) {
    const { document, metadata } = byFileName
    const ofTitle = byTitle.get(metadata?.title) ?? []
    for (const byContent of bySum.get(document) ?? []) yield { byContent, byFileName }
    for (const byContent of ofTitle) if (sums.get(byContent) !== document) yield { byContent, byFileName }
  }
}

/** Other documents that may be the same book: another id of it, or another one of its title. */
export function findTwins(records: Progress[], record: Progress): Progress[] {
  const [sum, title] = [sumOf(record), titleOf(record)]
  return records.filter((other) => {
    if (other.document === record.document) return false
    return other.document === sum || sumOf(other) === record.document || (title !== '' && titleOf(other) === title)
  })
}

/** The id that the record's document has by its file name; undefined when the reader did not send it. */
function sumOf({ metadata }: Progress): string | undefined {
  return metadata?.filename === undefined ? undefined : filenameMd5(metadata.filename)
}

/** Those for which there is a key. */
function groupBy(records: Progress[], keyOf: (record: Progress) => string | undefined): Map<unknown, Progress[]> {
  const groups = new Map<string, Progress[]>()
  for (const record of records) {
    const key = keyOf(record)
    if (key === undefined) continue
    const group = groups.get(key)
    if (group) group.push(record)
    else groups.set(key, [record])
  }
  return groups
}
