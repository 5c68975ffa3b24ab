import { CommandError } from '../command-error.ts'
import { kssCommand } from '../command-line.ts'
import type { Progress } from '../kosync/protocol.ts'
import { nameOf, titleOf } from '../library/titles.ts'
import type { Account } from '../store/store.ts'
import { findUser, readRecords } from './accounts.ts'
import { findByName, listNames } from './find-by-name.ts'
import type { State } from '../control/state.ts'

/** Characters of a part of an id at least: ids contain short words by chance. */
const shortestId = 4

/** A record and its account. */
export interface FoundDocument {
  account: Account
  record: Progress
}

/** The record that a person means by the document's title, file name or id, or by a part. Throws CommandError unless it is one. */
export async function findDocument(state: State, username: string, asked: string): Promise<FoundDocument> {
  const { account } = await findUser(state, username)
  const records = await readRecords(state, account)
  const exact = records.filter(({ document }) => document === asked)
  const found = exact.length > 0 ? exact : findByName(records, (record) => namesOf(record, asked), asked)
  const [only] = found
  if (only && found.length === 1) return { account, record: only }
  if (found.length > 1) {
    const names = listNames(found.map(nameOf))
    throw new CommandError(
      `${asked} matches ${found.length} documents: ${names}. Pass a longer part of the title or id.`,
    )
  }
  if (records.length === 0) throw new CommandError(`${username} has no documents yet.`)
  const names = listNames(records.map((record) => titleOf(record) || record.document))
  throw new CommandError(
    `${username} has no document ${asked}; there are ${names}. See ${kssCommand('doc list', username)}.`,
  )
}

function namesOf(record: Progress, asked: string): string[] {
  const { document, metadata } = record
  const names = [titleOf(record), metadata?.filename ?? '']
  return asked.length >= shortestId ? [...names, document] : names
}
