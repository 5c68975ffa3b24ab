import type { Progress } from '../kosync/protocol.ts'
import type { ReaderVisit } from './route.ts'

/** Records per call: each call lists the folder again. */
const pageSize = 10_000

/** All records of the signed-in account. */
export async function listRecords({ options: { admin }, account }: ReaderVisit): Promise<Progress[]> {
  const records: Progress[] = []
  let cursor: string | undefined
  do {
    const page = await admin.listDocuments(account, cursor, pageSize)
    records.push(...page.documents)
    cursor = page.next
  } while (cursor !== undefined)
  return records
}
