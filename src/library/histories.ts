import pLimit from 'p-limit'
import type { Progress } from '../kosync/protocol.ts'

/** Books whose histories are read at most, for one page or one command: an account may have thousands. */
export const mostHistories = 40

/** Histories that are read at a time. */
const readers = 16

/** The records that changed last come first. */
export function newestFirst(records: Progress[]): Progress[] {
  return records.toSorted((one, other) => other.timestamp - one.timestamp)
}

/** Reads the history of each record. */
export async function readHistories(
  records: Iterable<Progress>,
  read: (record: Progress) => Promise<Progress[]>,
): Promise<{ record: Progress; rows: Progress[] }[]> {
  return await pLimit(readers).map(records, async (record) => ({ record, rows: await read(record) }))
}
