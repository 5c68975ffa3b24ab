import type { Progress } from '../kosync/protocol.ts'

/** A document of another server's user. */
export interface ImportedDocument {
  /** The rows of this document, at least one, in any order; times in seconds since 1970. */
  rows: Progress[]
  /** The title that its user gave it. */
  title?: string
}

/** An account of another server. */
export interface ImportedUser {
  username: string
  /**
   * The value for auth.json: the x-auth-key, or its hash in a scheme that key-hash.ts can check. Undefined when the
   * other server does not give it.
   */
  key?: string
  documents: ImportedDocument[]
}

/** A record, document or user that could not be imported, and why: one line for a person. */
export interface Problem {
  problem: string
  /** Whose it is there; undefined where that cannot be known. */
  username?: unknown
}

/** Reads another server's data, one user at a time. Rejects with a SourceError when nothing can be read. */
export type Source = AsyncIterable<ImportedUser | Problem>

/** A source that cannot be read. The message tells the operator what to do. */
export class SourceError extends Error {}
