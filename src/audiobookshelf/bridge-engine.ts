import type { Account } from '../store/store.ts'

/** Whose something is. */
export type Owner = Pick<Account, 'username' | 'id'>

/** Characters before each value that tell its revision. */
export const revisionLength = 16

/**
 * An engine that several processes share. All of it rejects while the engine is away; nothing is kept of an account that is
 * gone. Each value of a hash begins with its revision.
 */
export interface BridgeEngine {
  /** Undefined for none; `same` when it is still of the revision. */
  getField: (
    owner: Owner,
    hash: 'data' | 'outbox',
    field: string,
    revision: string,
  ) => Promise<{ value: string | undefined } | 'same'>
  /** False when what is there has another revision: '' for nothing there, '*' for any. An empty value removes it. */
  setField: (owner: Owner, hash: 'data' | 'outbox', field: string, revision: string, value: string) => Promise<boolean>
  listValues: (owner: Owner, hash: 'data' | 'outbox') => Promise<string[]>
  /** `most`: how many stay. */
  addEvent: (owner: Owner, line: string, most: number) => Promise<void>
  /** Oldest first. */
  listEvents: (owner: Owner) => Promise<string[]>
  /** When the first entry of the user is due, in milliseconds since 1970; undefined when none waits. */
  setDue: (username: string, due: number | undefined) => Promise<void>
  /** Users of whom something was due then, the first one first. */
  listDue: (time: number, most: number) => Promise<string[]>
  getBook: (item: string) => Promise<string | undefined>
  putBook: (item: string, text: string, seconds: number) => Promise<void>
  /** Whether it is the token's now. */
  takeLease: (name: string, token: string, ms: number) => Promise<boolean>
  /** Whether it is still the token's. 0 ends it. */
  extendLease: (name: string, token: string, ms: number) => Promise<boolean>
}
