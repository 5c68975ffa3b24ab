import type { Progress } from '../kosync/protocol.ts'
import type { ReaderVisit } from './route.ts'

/** All records of who is signed in. */
export async function listRecords({ options: { admin }, account }: ReaderVisit): Promise<Progress[]> {
  const records: Progress[] = []
  let cursor: string | undefined
  do {
    const page = await admin.listDocuments(account, cursor)
    records.push(...page.documents)
    cursor = page.next
  } while (cursor !== undefined)
  return records
}
