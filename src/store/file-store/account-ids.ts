import { hash, randomBytes } from 'node:crypto'
import type { Stats } from 'node:fs'
import { sumOf, type StoredUser } from './files/auth-file.ts'
import type { Account } from '../store.ts'

interface Unsaved {
  account: Account
  /** SHA-256 of the stored key. */
  sum: string
}

/**
 * The id and generation of each account. An auth.json that an older kss wrote has neither, and a key that was edited by
 * hand begins a new generation: such values are kept in memory until the next write of the file.
 */
export class AccountIds {
  /** By folder. */
  readonly #unsaved = new Map<string, Unsaved>()

  /** The id and generation of a new account. */
  static create(): Pick<Account, 'id' | 'generation'> {
    return { id: randomBytes(16).toString('hex'), generation: 1 }
  }

  /** Completes the user that was read from auth.json with its id and generation; `stats` are those of the file. */
  identify(user: StoredUser, stats: Stats): StoredUser {
    const identified = this.look(user, stats)
    const { account, unsaved } = identified
    if (unsaved) this.#unsaved.set(account.folder, { account, sum: sumOf(user.key) })
    else this.#unsaved.delete(account.folder)
    return identified
  }

  /** Like identify, for lists: keeps nothing, so that memory does not grow with the number of accounts. */
  look(user: StoredUser, stats: Stats): StoredUser {
    const sum = sumOf(user.key)
    if (user.account.id !== '' && user.fields['key_sha256'] === sum) return user
    return { ...user, account: this.#unsavedAccount(user, sum, stats), unsaved: true }
  }

  #unsavedAccount({ account, fields }: StoredUser, sum: string, stats: Stats): Account {
    const before = this.#unsaved.get(account.folder)
    const known = before && (account.id === '' || account.id === before.account.id) ? before : undefined
    const { id, generation } =
      known?.account ?? (account.id === '' ? { id: idOf(account, stats), generation: 1 } : account)
    const isEdited = (known?.sum ?? fields['key_sha256'] ?? sum) !== sum
    return Object.freeze({ ...account, id, generation: isEdited ? generation + 1 : generation })
  }
}

/**
 * An id that every process derives from the file alike: a command shows the account, asks whether to remove it, and then
 * opens the folder again. Not derived from the key, since an id may be seen by people who must not learn the key.
 */
function idOf({ folder }: Account, { ino, mtimeMs }: Stats): string {
  return hash('sha256', `${folder}/${ino}/${mtimeMs}`).slice(0, 32)
}
