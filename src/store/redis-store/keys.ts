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
  /** In a cluster: the key of an account that is on its way to this name. */
  arriving: string
  /** What the Audiobookshelf bridge keeps begins with it. */
  bridge: string
}

export type KeysOf = (username: string) => AccountKeys
export type ParseKey = (key: string) => { username: string; document?: string } | undefined

export const keysOf: KeysOf = (username) => {
  const user = username.includes(':') ? `:${toHex(username)}` : username
  return toKeys(user, user)
}

/** In a cluster all keys of one account must be on one node: what is between the braces decides. */
export const keysOfCluster: KeysOf = (username) => toKeys(`{${toHex(username)}}`, toHex(username))

function toKeys(user: string, tag: string): AccountKeys {
  return {
    key: `user:${user}:key`,
    account: `kss:{${tag}}:account`,
    documents: `kss:{${tag}}:documents`,
    records: `user:${user}:document:`,
    histories: `kss:{${tag}}:history:`,
    arriving: `kss:{${tag}}:arriving`,
    bridge: `kss:abs:{${tag}}:`,
  }
}

/** What the Audiobookshelf bridge keeps of an account: not of the next one of the name. */
export interface BridgeKeys {
  /** A hash of JSON values by name, each behind its revision. */
  data: string
  /** A hash of entries by document, each behind its revision. */
  outbox: string
  /** A list of JSON lines, the oldest first. */
  events: string
}

export function bridgeKeysOf({ bridge }: AccountKeys, id: string): BridgeKeys {
  return { data: `${bridge}data:${id}`, outbox: `${bridge}outbox:${id}`, events: `${bridge}events:${id}` }
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
  /** A sorted set of names of users with entries in the outbox of the Audiobookshelf bridge, by when the first is due. */
  bridgeOutbox: 'kss:abs:outbox',
  /** Before the id of an item of Audiobookshelf: the counts of its ebook, JSON. */
  bridgeBook: 'kss:abs:book:',
  /** Before what the lease is for: a string that tells whose it is. */
  bridgeLease: 'kss:abs:lease:',
  /** Before the name of a limit and whom it is for: how often, until it expires. */
  limit: 'kss:limit:',
}

/** Of which user and document a key of the official server's layout tells; undefined for any other key. */
export const parseKey: ParseKey = (key) => {
  const [, user, document] = /^user:(:(?:[\da-f]{2})*|[^:]+):(?:key|document:(.+))$/s.exec(key) ?? []
  if (user === undefined) return undefined
  return toParsed(user.startsWith(':') ? fromHex(user.slice(1)) : user, document)
}

export const parseKeyOfCluster: ParseKey = (key) => {
  const [, user, document] = /^user:\{((?:[\da-f]{2})+)\}:(?:key|document:(.+))$/s.exec(key) ?? []
  return user === undefined ? undefined : toParsed(fromHex(user), document)
}

const ownKey = /^kss:\{([^:]+|:[\da-f]*)\}:(?:(account|documents)|history:(.+))$/s

/** What kss adds to an account, by its key: `document` of a history alone. Undefined for any other key. */
export function parseOwnKey(
  key: string,
  parse: ParseKey,
): { username: string; kind: string | undefined; document: string } | undefined {
  const [, tag, kind, document = ''] = ownKey.exec(key) ?? []
  const { username } = parse(`user:${tag}:key`) ?? parse(`user:{${tag}}:key`) ?? {}
  return tag === undefined || username === undefined ? undefined : { username, kind, document }
}

function toParsed(username: string, document: string | undefined): ReturnType<ParseKey> {
  return { username, ...(document !== undefined && { document }) }
}

function toHex(name: string): string {
  return Buffer.from(name).toString('hex')
}

function fromHex(hex: string): string {
  return Buffer.from(hex, 'hex').toString()
}
