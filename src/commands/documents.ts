import { CommandError } from '../command-error.ts'
import type { Progress } from '../protocol.ts'
import type { StoredRecord } from '../store/folder-reader.ts'
import { readUserRecords } from './accounts.ts'
import type { State } from './state.ts'
import { plain } from '../plain.ts'

/** What a document is called: by the operator, or by its reader; empty when nobody said. */
export function titleOf({ title, metadata }: Progress): string {
  return title ?? metadata?.title ?? metadata?.filename ?? ''
}

/** The title, or else the id, with both for a person who may know only one. */
export function nameOf(record: Progress): string {
  const title = titleOf(record)
  return title === '' ? record.document : `${title} (${record.document})`
}

/**
 * The record that a person means: by the document's id, by the beginning of it (4 characters or more), or by the
 * title. Throws CommandError unless it is one.
 */
export async function findDocument(state: State, username: string, asked: string): Promise<StoredRecord> {
  const records = await readUserRecords(state, username)
  const exact = records.filter(({ record }) => record.document === asked)
  const found = exact.length > 0 ? exact : records.filter(({ record }) => isMeant(record, asked))
  const [only] = found
  if (only && found.length === 1) return only
  if (found.length === 0) {
    throw new CommandError(`${username} has no document ${asked}. kss doc list ${username} shows what is there.`)
  }
  const names = found.map(({ record }) => plain(nameOf(record))).join(', ')
  throw new CommandError(`${asked} may be one of ${found.length} documents: ${names}. Say more of the id.`)
}

function isMeant(record: Progress, asked: string): boolean {
  const isTitle = titleOf(record).toLowerCase() === asked.toLowerCase()
  return isTitle || (asked.length >= 4 && record.document.startsWith(asked))
}
