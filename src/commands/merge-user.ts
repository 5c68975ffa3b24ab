import { CommandError } from '../command-error.ts'
import type { Merged, MergedDocument, NewUser } from '../store/store.ts'
import type { StateStore } from '../control/state-store.ts'

/** The result of merging a user. */
export interface MergedUser extends Merged {
  username: string
  /** The account was made. */
  isNew: boolean
}

/** Documents that go to the store in one call. */
export const documentsAtOnce = 200

/** A user as another directory or server has it. */
export interface MergeableUser extends Omit<NewUser, 'key'> {
  /** Undefined where the account is here already. */
  key: string | undefined
}

export function newMerged(username: string): MergedUser {
  return { username, isNew: false, documents: 0, latest: 0, rows: 0 }
}

/**
 * Makes the user, if the name is free, and adds the documents: the newest position of each wins. `merged` tells how far
 * that has come, also when it fails.
 */
export async function mergeUser(
  store: StateStore,
  { username, key, disabled, adopted }: MergeableUser,
  documents: AsyncIterable<MergedDocument[]> | Iterable<MergedDocument[]>,
  merged: MergedUser = newMerged(username),
): Promise<MergedUser> {
  merged.isNew =
    key !== undefined &&
    (await store.createUser({ username, key, ...(disabled && { disabled }), ...(adopted && { adopted }) }))
  for await (const some of documents) {
    const account = (await store.getUser(username))?.account
    if (!account) throw new CommandError(`${username} was removed meanwhile. The rest of its records was not imported.`)
    const result = await store.importAccount(account, some)
    merged.documents += result.documents
    merged.latest += result.latest
    merged.rows += result.rows
  }
  return merged
}
