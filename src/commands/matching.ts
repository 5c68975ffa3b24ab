import { filenameMd5 } from '../document-id.ts'
import type { Progress } from '../kosync/protocol.ts'
import { plain } from '../plain.ts'
import { titleOf } from './documents.ts'

/** One book under two ids, because its readers match documents by different methods. @see PROTOCOL.md §5 */
export interface Mismatch {
  byContent: Progress
  byFileName: Progress
}

/**
 * The books of an account that are there twice. An id is that of a file name when it is the MD5 of the name in this
 * record or in another one of the same title; the other record then has the id of the content.
 */
export function findMismatches(records: Progress[]): Mismatch[] {
  const ofFileNames = new Set(records.flatMap(({ metadata }) => metadata?.filename ?? []).map(filenameMd5))
  const byFileName = records.filter(({ document }) => ofFileNames.has(document))
  const others = records.filter(({ document }) => !ofFileNames.has(document))
  return byFileName.flatMap((record) =>
    others.filter((other) => isSameBook(record, other)).map((other) => ({ byContent: other, byFileName: record })),
  )
}

function isSameBook(byFileName: Progress, { metadata }: Progress): boolean {
  if (metadata?.filename !== undefined && filenameMd5(metadata.filename) === byFileName.document) return true
  return metadata?.title !== undefined && metadata.title === byFileName.metadata?.title
}

/** Lines for a person that say what to set, and how to join the two. */
export function describeMismatches(username: string, mismatches: Mismatch[]): string {
  return mismatches.map((mismatch) => `\n${describe(username, mismatch)}`).join('')
}

function describe(username: string, { byContent, byFileName }: Mismatch): string {
  const title = plain(titleOf(byContent) || titleOf(byFileName))
  const [one, other] = [plain(byContent.device), plain(byFileName.device)]
  const [from, into] = [byContent, byFileName].toSorted((a, b) => a.timestamp - b.timestamp)
  const methods =
    one === other
      ? `${one} matched by content and by file name`
      : `${one} matches by content, ${other} by file name: set the same on both`
  const merge = `kss doc merge ${plain(username)} ${plain(from!.document)} ${plain(into!.document)}`
  return `${title} is there twice. ${methods}.\nTo join the two: ${merge}\n`
}
