import type { Progress } from '../kosync/protocol.ts'
import { documentOf } from './names.ts'
import { Refusal } from './refusal.ts'
import type { ReaderVisit } from './route.ts'

/** The record of the book that the path names. Throws Refusal: an id of somebody else's book is as unknown as any other. */
export async function findBook(visit: ReaderVisit): Promise<Progress> {
  return await findRecord(visit, documentOf(visit.params['id']!))
}

/** The same by its id. */
export async function findRecord({ options, account }: ReaderVisit, document: string): Promise<Progress> {
  const record = await options.store.getProgress(account, document)
  if (record) return record
  throw new Refusal(
    404,
    'There is no such book',
    'It was removed, or joined with another one. Look for it under Books.',
  )
}
