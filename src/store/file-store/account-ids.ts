import { randomBytes } from 'node:crypto'
import { sumOf, type StoredUser } from './files/auth-file.ts'
import type { Account } from '../store.ts'

interface Unsaved {
  account: Account
  /** Of the stored key. */
  sum: string
}

/**
 * The id and generation of each account, also where auth.json does not hold them: an older kss wrote it, or somebody
 * edited the key by hand, which is a new generation. Those are kept in memory until the file is written next.
 */
export class AccountIds {
  /** By folder. */
  readonly #unsaved = new Map<string, Unsaved>()

  /** For an account that is created. */
  static create(): Pick<Account, 'id' | 'generation'> {
    return { id: randomBytes(16).toString('hex'), generation: 1 }
  }

  /** The user as read from auth.json, with the account that it is. */
  identify(user: StoredUser): StoredUser {
    const { folder, id } = user.account
    const sum = sumOf(user.key)
    if (id !== '' && user.fields['key_sha256'] === sum) {
      this.#unsaved.delete(folder)
      return user
    }
    const account = this.#unsavedAccount(user, sum)
    this.#unsaved.set(folder, { account, sum })
    return { ...user, account, unsaved: true }
  }

  #unsavedAccount({ account, fields }: StoredUser, sum: string): Account {
    const before = this.#unsaved.get(account.folder)
    const known = before && (account.id === '' || account.id === before.account.id) ? before : undefined
    const { id, generation } = known?.account ?? (account.id === '' ? AccountIds.create() : account)
    const isEdited = (known?.sum ?? fields['key_sha256'] ?? sum) !== sum
    return Object.freeze({ ...account, id, generation: isEdited ? generation + 1 : generation })
  }
}
