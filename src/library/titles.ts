import type { Progress } from '../kosync/protocol.ts'

/** What a document is called: by the operator, or by its reader; empty when nobody said. */
export function titleOf({ title, metadata }: Progress): string {
  // A reader sends an empty title for a book that has none.
  return title || metadata?.title || metadata?.filename || ''
}

/** The title, or else the id, with both for a person who may know only one. */
export function nameOf(record: Progress): string {
  const title = titleOf(record)
  return title === '' ? record.document : `${title} (${record.document})`
}
