import type { Progress } from '../kosync/protocol.ts'

/** What another server knew of a document. */
export interface ImportedDocument {
  /** At least one, all of this document, in any order; times in seconds since 1970. */
  rows: Progress[]
  /** What its user called it. */
  title?: string
}

/** An account of another server. */
export interface ImportedUser {
  username: string
  /**
   * What auth.json is to keep: the x-auth-key itself, or a hash of it in a scheme that key-hash.ts can check. Undefined
   * when the other server does not tell.
   */
  key?: string
  documents: ImportedDocument[]
}

/** What could not come, and why: one line for a person. */
export interface Problem {
  problem: string
}

/** Reads another server's data, a user at a time. Rejects with a SourceError when there is nothing to read at all. */
export type Source = AsyncIterable<ImportedUser | Problem>

/** The message says what to do. */
export class SourceError extends Error {}
