/**
 * The names of all keys. The first two are those of the official server, to the byte: it refuses a name only for a colon, so
 * a name with a colon is written as a part that no official name can be. All else begins with `kss:`.
 */
export interface AccountKeys {
  /** A string: what x-auth-key must be, or its hash. */
  key: string
  /** A hash: id, generation, sum of the stored key, flags. */
  account: string
  /** A sorted set of the ids of all documents, all of one score: in the order of their bytes. */
  documents: string
  /** Before the id of a document: the key of its record, a hash. */
  records: string
  /** Before the id of a document: the key of its history, a list, the oldest row first. */
  histories: string
}

export function keysOf(username: string): AccountKeys {
  const user = username.includes(':') ? `:${Buffer.from(username).toString('hex')}` : username
  return {
    key: `user:${user}:key`,
    account: `kss:{${user}}:account`,
    documents: `kss:{${user}}:documents`,
    records: `user:${user}:document:`,
    histories: `kss:{${user}}:history:`,
  }
}

/** What belongs to no account. */
export const globalKeys = {
  /** A string: the version of this layout. Absent from a database that another server began. */
  format: 'kss:format',
  /** A sorted set of the names of all users, all of one score. */
  users: 'kss:users',
  /** A set of the ids of the accounts that are operators'. */
  operators: 'kss:operators',
  /** A hash: open, until. */
  registration: 'kss:registration',
  /** Lists of names, the newest last. */
  invited: 'kss:invited',
  removed: 'kss:removed',
  /** Before the hash of a session: JSON. */
  session: 'kss:session:',
  /** Before the id of an account: a sorted set of the hashes of its sessions, by the times at which they began. */
  sessionsOf: 'kss:sessions:',
  /** Before the name of a limit and whom it is for: how often, until it expires. */
  limit: 'kss:limit:',
}

/** Of which user and document a key of the official server's layout tells; undefined for any other key. */
export function parseKey(key: string): { username: string; document?: string } | undefined {
  const [, user, document] = /^user:(:(?:[\da-f]{2})*|[^:]+):(?:key|document:(.+))$/s.exec(key) ?? []
  if (user === undefined) return undefined
  const username = user.startsWith(':') ? Buffer.from(user.slice(1), 'hex').toString() : user
  return { username, ...(document !== undefined && { document }) }
}
