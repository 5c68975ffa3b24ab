import type { Progress } from '../kosync/protocol.ts'
import { documentOf } from './names.ts'
import { Refusal } from './refusal.ts'
import type { ReaderVisit } from './route.ts'

/** The record of the book in the path. Throws Refusal, also for the id of another account's book. */
export async function findBook(visit: ReaderVisit): Promise<Progress> {
  return await findRecord(visit, documentOf(visit.params['id']!))
}

/** The record of the book with the id. Throws Refusal. */
export async function findRecord({ options, account }: ReaderVisit, document: string): Promise<Progress> {
  const record = await options.store.getProgress(account, document)
  if (record) return record
  throw new Refusal(
    404,
    'There is no such book',
    'It was removed, or joined with another one. Look for it under Books.',
  )
}
