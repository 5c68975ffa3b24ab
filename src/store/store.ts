import type { Progress } from '../kosync/protocol.ts'
import type { Finding } from './finding.ts'

/**
 * Whom a request acts for: the account that its credentials were verified for. A name alone may be another account's
 * by the time the body of the request is read. Frozen. @see DESIGN.md §2
 */
export interface Account {
  readonly username: string
  /** The name of its folder in the state directory. */
  readonly folder: string
  /** 128 random bits in hex. The next account of the same name has another one. */
  readonly id: string
  /** Grows when the key changes and when the account is renamed or disabled; not when its hash is upgraded. */
  readonly generation: number
}

/** What an account may keep at most; 0 is no limit. */
export interface Quota {
  documents: number
  /** Of all its files, histories included. */
  bytes: number
}

/** What an account is created with. */
export interface NewUser {
  username: string
  /** A PHC string (`$scrypt$…`), a hash of another server, or the plain x-auth-key as Python kss wrote it. @see STORAGE.md §1 */
  key: string
  /** There when an operator locked the account: its credentials are refused. */
  disabled?: true
  /** There when the upstream vouched for the key that the account still has. */
  adopted?: true
}

/** An account with its credential. */
export interface User extends NewUser {
  account: Account
  /** There when the account is an operator's: it may use all of the console. */
  admin?: true
  /** There when an operator gave the account other limits than those of the settings. */
  quota?: Partial<Quota>
  /** There when the account's id and generation are not stored yet: `upgradeKey` stores them. */
  unsaved?: true
}

/** Who may sign up, as an operator said while the server ran. */
export interface Registration {
  /** Undefined: as KSS_DISABLE_REGISTRATION says. */
  open?: boolean
  /** Seconds since 1970 until which it is open; closed afterwards. */
  until?: number
  /** Names that may register once, also while it is closed. */
  invited: string[]
  /** Names that were removed or renamed here, newest last: an upstream that still knows them does not bring them back. */
  removed?: string[]
}

/** A value that is in memory is returned at once, without a promise. */
export type Now<T> = T | Promise<T>

/**
 * Where accounts and positions live. Every promise resolves when the change is durable; a failure of the disk rejects
 * with the error of the file system (`error.code`), and the old value stays. What takes an Account throws or rejects
 * with StaleAccount when that account is gone, or its generation is another one by now. @see STORAGE.md §4
 */
export interface Store {
  /** Undefined when there is no such user. Rejects with code `DAMAGED_FILE` when the credential cannot be read. */
  getUser(username: string): Now<User | undefined>

  /** False when the name is taken; of two at once exactly one wins. An invitation of the name is used up. */
  createUser(user: NewUser): Promise<boolean>

  /** Gives the account another password's key: raises the generation, ends `adopted`. */
  setKey(account: Account, key: string): Promise<void>

  /** Stores the same password's key in another form, a hash say, only if the stored one still is `current`. */
  upgradeKey(account: Account, current: string, key: string): Promise<void>

  /** Removes the credential, every record and the history. */
  deleteUser(account: Account): Promise<void>

  /** Rejects with code `DAMAGED_FILE` when it cannot be read. */
  getRegistration(): Now<Registration>

  /** The latest record; undefined when there is none. */
  getProgress(account: Account, document: string): Now<Progress | undefined>

  /**
   * Stores what nextProgress makes of the push, and resolves to it. Rejects with code `QUOTA_REACHED` when the account
   * has no such document yet, and keeps as much as it may.
   */
  putProgress(account: Account, pushed: Progress): Promise<Progress>

  /** Stores the record as it is where there is none; resolves to the one that is stored then: a push may have been faster. */
  addProgress(account: Account, record: Progress): Promise<Progress>

  /** Every change of the position, oldest first, as pushed: a push that only repeats it is none. */
  listHistory(account: Account, document: string): Promise<Progress[]>

  /** Waits for all changes in progress, and closes the store. */
  close(): Promise<void>
}

/** An account as operators see it. */
export interface AccountSummary {
  account: Account
  disabled: boolean
  /** Whether the account is an operator's. */
  admin: boolean
  /** There when an operator gave the account other limits than those of the settings. */
  quota?: Partial<Quota>
  documents: number
  /** Those that made the latest positions. */
  devices: number
  /** Of all that the store keeps for the account, histories included. */
  bytes: number
  /** Seconds since 1970 of the newest position; left out when there is none. */
  lastSync?: number
  /** The same; without a position, when the account was made or last changed. */
  lastActive: number
  /** For a person: each record that cannot be read. */
  problems: string[]
}

/** Some accounts with their credentials, in a stable order. */
export interface UserPage {
  users: User[]
  /** For a person: each account of the page that cannot be read, and why. */
  damaged: string[]
  /** How many accounts there are in all, about. */
  total: number
  /** The cursor of the next page; left out at the end. */
  next?: string
}

/** As UserPage. */
export interface AccountPage {
  accounts: AccountSummary[]
  damaged: string[]
  total: number
  next?: string
}

/** Some records of an account, in a stable order. */
export interface DocumentPage {
  documents: Progress[]
  /** For a person: each record of the page that cannot be read. The newest row of its history stands in, if there is one. */
  problems: string[]
  /** The cursor of the next page; left out at the end. */
  next?: string
}

/** All that is known of a document. */
export interface ExportedDocument {
  /** The title is in it. */
  record: Progress
  /** The history, oldest first; the record alone when there is none. */
  rows: Progress[]
}

/** As DocumentPage, with the histories. */
export interface ExportPage {
  documents: ExportedDocument[]
  problems: string[]
  next?: string
}

/** What another directory or server knew of a document. */
export interface MergedDocument {
  /** In the order in which they came, all of one document; at least one. The last one is the latest position there. */
  rows: Progress[]
  title?: string
}

/** How many positions came, became the latest one, and went into the history. */
export interface Merged {
  documents: number
  latest: number
  rows: number
}

export interface RepairOptions {
  /** A server has the store: what it may just be writing is left alone. True unless said otherwise. */
  running?: boolean
}

/** What a store knows of itself. Nothing here waits for a disk. */
export interface Stats {
  /** Why no push can be stored, as far as is known; undefined when one can. */
  failure(): unknown
  figures(): Figures
}

/** Counted since the start, or as it is now. */
export interface Figures {
  /** Flushes that pushes waited for, and how long they took. */
  flushes: number
  flushSeconds: number
  logBytes: number
  /** Age of the oldest push that is not durable in its file; 0 for none. */
  lagSeconds: number
  /** Records that were at hand, and those that were looked for on the disk. */
  cacheHits: number
  cacheMisses: number
}

/**
 * What only operators do, beside the wire. Every promise resolves when the change is durable, and rejects as those of the
 * store do. What changes an account rejects with StaleAccount unless the account is there in its generation; what only
 * reads takes it in any generation. Documents are named as readers name them. Arguments and results are plain JSON, so
 * that a command can pass them to the server. Pages hold bounded memory, whatever the number of accounts; what changes
 * between two pages may be in either state, and is in one of them at most.
 */
export interface Admin {
  /** The next `limit` accounts, damaged ones included; what they keep is not looked at. */
  listUsers(cursor?: string, limit?: number): Promise<UserPage>

  /** The same, with what they keep. */
  listAccounts(cursor?: string, limit?: number): Promise<AccountPage>

  getSummary(account: Account): Promise<AccountSummary>

  /** The next `limit` records, as they are now: what was acknowledged is in them. */
  listDocuments(account: Account, cursor?: string, limit?: number): Promise<DocumentPage>

  /** Documents with their histories, some MiB at a time; a single document may be larger. */
  exportAccount(account: Account, cursor?: string): Promise<ExportPage>

  /**
   * Adds what is known elsewhere: the newest position of each document wins, the rest goes into the history. A position
   * is older than another one, whatever the times say, when the side of the other one knows it as an earlier one.
   */
  importAccount(account: Account, documents: MergedDocument[]): Promise<Merged>

  /** Gives the account another name; all else stays. False when that name is taken. */
  renameUser(account: Account, to: string): Promise<boolean>

  /** Locks the account, or opens it again. */
  setDisabled(account: Account, disabled: boolean): Promise<void>

  /** Sets what the account may keep; what is left out is as the settings say. */
  setQuota(account: Account, quota: Partial<Quota>): Promise<void>

  /** Makes the account an operator's, or no more: it may use all of the console. Its generation stays. */
  setAdmin(account: Account, isAdmin: boolean): Promise<void>

  /** Whether an account is an operator's. The first call may take long where there are many accounts. */
  hasOperator(): Promise<boolean>

  /** Opens or closes registration, until a time in seconds since 1970 if one is given; without either as the setting says. */
  setRegistration(said: Pick<Registration, 'open' | 'until'>): Promise<void>

  /** Lets the name register once, also while registration is closed; or no more. */
  setInvited(username: string, isInvited: boolean): Promise<void>

  /** Keeps an upstream from bringing back these names, as it is with those that were removed or renamed here; or no more. */
  setRemoved(usernames: string[], isRemoved: boolean): Promise<void>

  /** Removes the record and its history. False when there is none. */
  deleteProgress(account: Account, document: string): Promise<boolean>

  /** Gives the document a title, which pushes keep; an empty one takes it away. False when there is no record. */
  putTitle(account: Account, document: string, title: string): Promise<boolean>

  /**
   * Makes one document of two ids of a book: one history in the order of the times, the newer position, and what only one
   * of the records has. `from` goes last. False when one of them has no record, or they are the same.
   */
  mergeDocuments(account: Account, from: string, into: string): Promise<boolean>

  /**
   * Shortens the history to the newest `keep` rows, and to those since a time in seconds since 1970; the newest one
   * always stays. Of all documents when none is given. Resolves to how many rows went.
   */
  pruneHistory(account: Account, keep: number, since: number, document?: string): Promise<number>

  /** Writes all acknowledged changes to their files. False if some could not be written: they are still in the log. */
  flush(): Promise<boolean>

  /**
   * Mends what is wrong in what a finding calls its folder, an account's, or with '' in what belongs to no account.
   * Resolves to what was done and what is left; rejects when something that was pushed there cannot be written all the same.
   */
  repair(folder: string, options?: RepairOptions): Promise<Finding[]>
}

/** A browser that is signed in to the console. */
export interface Session {
  /** The SHA-256 of its random id, in hex: nobody gets in with what is stored. */
  hash: string
  username: string
  accountId: string
  generation: number
  /** Whether the account was an operator's when the session began. */
  isOperator: boolean
  /** Seconds since 1970, as are the others. */
  created: number
  /** To the day. */
  lastSeen: number
  /** When the password was last typed. */
  lastPassword: number
}

/** Where sessions live: a restart does not end them, and they are in no backup. Promises are as those of the store. */
export interface SessionStore {
  getSession(hash: string): Now<Session | undefined>

  /** Stores a new session, or in the place of one with its hash. Of too many of an account the oldest ones end. */
  putSession(session: Session): Promise<void>

  deleteSession(hash: string): Promise<void>

  /** Ends all of the account. */
  deleteSessions(accountId: string): Promise<void>
}
