import { kssCommand } from '../command-line.ts'
import { readerName } from '../library/reader-name.ts'
import { titleOf } from '../library/titles.ts'
import type { Mismatch } from '../library/mismatches.ts'
import { plain } from '../plain.ts'

/** Lines that say which reader setting to change, and how to merge the two documents. */
export function describeMismatches(username: string, mismatches: Iterable<Mismatch>): string {
  return Array.from(mismatches, (mismatch) => `\n${describe(username, mismatch)}`).join('')
}

function describe(username: string, { byContent, byFileName }: Mismatch): string {
  const title = plain(titleOf(byContent) || titleOf(byFileName))
  const [one, other] = [plain(readerName(byContent, 'A')), plain(readerName(byFileName))]
  const [from, into] = [byContent, byFileName].toSorted((a, b) => a.timestamp - b.timestamp)
  const methods =
    byContent.device === byFileName.device
      ? `${one} matched by content and by file name`
      : `${one} matches by content, ${other} by file name: set the same on both`
  const merge = plain(kssCommand('doc merge', username, from!.document, into!.document))
  return `${title} is there twice. ${methods}.\nTo join the two: ${merge}\n`
}
