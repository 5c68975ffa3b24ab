import type { Account } from '../store/store.ts'

/** The owner of a value. */
export type Owner = Pick<Account, 'username' | 'id'>

/** Characters of the revision, before each value. */
export const revisionLength = 16

/**
 * An engine that several processes share. All methods reject while the engine is unavailable; data goes with its account.
 * Each value of a hash begins with its revision.
 */
export interface BridgeEngine {
  /** The value; undefined if there is none; `same` if it still has the revision. */
  getField: (
    owner: Owner,
    hash: 'data' | 'outbox',
    field: string,
    revision: string,
  ) => Promise<{ value: string | undefined } | 'same'>
  /** Stores the value; an empty one removes it. False unless the stored one has the revision: '' for none, '*' for any. */
  setField: (owner: Owner, hash: 'data' | 'outbox', field: string, revision: string, value: string) => Promise<boolean>
  listValues: (owner: Owner, hash: 'data' | 'outbox') => Promise<string[]>
  /** Appends a line; the newest `most` stay. */
  addEvent: (owner: Owner, line: string, most: number) => Promise<void>
  /** Oldest first. */
  listEvents: (owner: Owner) => Promise<string[]>
  /** Sets when the first entry of the user is due, in milliseconds since 1970; undefined if there is none. */
  setDue: (username: string, due: number | undefined) => Promise<void>
  /** Users with an entry that was due at that time, the earliest first. */
  listDue: (time: number, most: number) => Promise<string[]>
  getBook: (item: string) => Promise<string | undefined>
  putBook: (item: string, text: string, seconds: number) => Promise<void>
  /** Takes the lease for the token. False if another one holds it. */
  takeLease: (name: string, token: string, ms: number) => Promise<boolean>
  /** Extends the token's lease; 0 ends it. False if the token does not hold it. */
  extendLease: (name: string, token: string, ms: number) => Promise<boolean>
}
