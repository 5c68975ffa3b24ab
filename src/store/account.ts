import type { Account, User } from './store.ts'

/** The account that was verified is not there any more, or not as it was. `code` is `STALE_ACCOUNT`. */
export class StaleAccount extends Error {
  readonly code = 'STALE_ACCOUNT'
  /** Its name has no account, or another one; otherwise its password changed, or it was disabled. */
  readonly isGone: boolean

  constructor({ username }: Account, isGone: boolean) {
    super(`The account ${username} was ${isGone ? 'removed or renamed' : 'changed'} meanwhile.`)
    this.isGone = isGone
  }
}

/** Whether the user that now has the name is the account that was verified, in the same generation. */
export function isCurrent(user: User | undefined, { id, generation }: Account): boolean {
  return user?.account.id === id && user.account.generation === generation
}

/** The user, if it is the account that was verified; throws StaleAccount otherwise. */
export function current<T extends User>(user: T | undefined, account: Account): T {
  if (user && isCurrent(user, account)) return user
  throw new StaleAccount(account, user?.account.id !== account.id)
}

/** The account in its next generation: whatever was verified before does not count any more. */
export function raise(account: Account): Account {
  return Object.freeze({ ...account, generation: account.generation + 1 })
}
