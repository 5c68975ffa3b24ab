import type { Progress } from '../protocol.ts'

/** A credential as it is stored. */
export interface User {
  username: string
  /** A PHC string (`$scrypt$…`), a hash of another server, or the plain x-auth-key as Python kss wrote it. @see STORAGE.md §1 */
  key: string
  /** There when an operator locked the account: its credentials are refused. */
  disabled?: true
  /** There when the upstream vouched for the key that the account still has. */
  adopted?: true
}

/** Who may sign up, as an operator said while the server ran. */
export interface Registration {
  /** Undefined: as KSS_DISABLE_REGISTRATION says. */
  open?: boolean
  /** Seconds since 1970 until which it is open; closed afterwards. */
  until?: number
  /** Names that may register once, also while it is closed. */
  invited: string[]
}

/** What is at hand comes at once, without a promise: most reads are served from memory. */
export type Now<T> = T | Promise<T>

/**
 * Where accounts and positions live. Every promise resolves when the change is durable; a failure of the disk rejects
 * with the error of the file system (`error.code`), and the old value stays. @see STORAGE.md §4
 */
export interface Store {
  /** Undefined when there is no such user. Rejects with code `DAMAGED_FILE` when the credential cannot be read. */
  getUser(username: string): Now<User | undefined>

  /** False when the name is taken; of two at once exactly one wins. An invitation of the name is used up. */
  createUser(user: User): Promise<boolean>

  /** Replaces the key, only if it still is `current`, and ends `adopted`. False when it is not, or the user is gone. */
  replaceKey(username: string, current: string, key: string): Promise<boolean>

  /** Removes the credential, every record and the history. False when there is no such user. */
  deleteUser(username: string): Promise<boolean>

  /** Every user name, in no order. */
  listUsers(): Promise<string[]>

  /** Rejects with code `DAMAGED_FILE` when it cannot be read. */
  getRegistration(): Now<Registration>

  /** The latest record; undefined when there is none. */
  getProgress(username: string, document: string): Now<Progress | undefined>

  /** Stores what nextProgress makes of the push and resolves to it; undefined when the user is gone. */
  putProgress(username: string, pushed: Progress): Promise<Progress | undefined>

  /**
   * Stores the record as it is where there is none; resolves to the one that is stored then, which a push may have been
   * faster with; undefined when the user is gone.
   */
  addProgress(username: string, record: Progress): Promise<Progress | undefined>

  /** Every change of the position, oldest first, as pushed: a push that only repeats it is none. */
  listHistory(username: string, document: string): Promise<Progress[]>

  /** Finishes what is under way. */
  close(): Promise<void>
}
