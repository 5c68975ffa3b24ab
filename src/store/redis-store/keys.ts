/**
 * The names of all keys. The first two are byte for byte those of the official server. It refuses names with a colon, so
 * kss writes such a name in a form that no official name can have. All other keys begin with `kss:`.
 */
export interface AccountKeys {
  /** A string: the value of x-auth-key, or its hash. */
  key: string
  /** A hash: id, generation, sum of the stored key, flags. */
  account: string
  /** A sorted set of the ids of all documents, with equal scores: in byte order. */
  documents: string
  /** Key prefix of records, which are hashes; the id of the document follows. */
  records: string
  /** Key prefix of histories, which are lists with the oldest row first; the id of the document follows. */
  histories: string
  /** In a cluster: the key of an account that is being renamed to this name. */
  arriving: string
  /** Key prefix of the Audiobookshelf bridge's data. */
  bridge: string
}

export type KeysOf = (username: string) => AccountKeys
export type ParseKey = (key: string) => { username: string; document?: string } | undefined

export const keysOf: KeysOf = (username) => {
  const user = username.includes(':') ? `:${toHex(username)}` : username
  return toKeys(user, user)
}

/** In a cluster the text between the braces, the hash tag, puts all keys of an account on one node. */
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

/** The Audiobookshelf bridge's data of an account; the next account of the name has none of it. */
export interface BridgeKeys {
  /** A hash of JSON values by name, each after its revision. */
  data: string
  /** A hash of entries by document, each after its revision. */
  outbox: string
  /** A list of JSON lines, the oldest first. */
  events: string
}

export function bridgeKeysOf({ bridge }: AccountKeys, id: string): BridgeKeys {
  return { data: `${bridge}data:${id}`, outbox: `${bridge}outbox:${id}`, events: `${bridge}events:${id}` }
}

/** Keys that belong to no account. */
export const globalKeys = {
  /** A string: the version of this layout. Absent from a database that another server began. */
  format: 'kss:format',
  /** A sorted set of the names of all users, with equal scores. */
  users: 'kss:users',
  /** A set of the ids of the operators' accounts. */
  operators: 'kss:operators',
  /** A hash: open, until. */
  registration: 'kss:registration',
  /** Lists of names, the newest last. */
  invited: 'kss:invited',
  removed: 'kss:removed',
  /** Key prefix of sessions, which are JSON; the hash of the session follows. */
  session: 'kss:session:',
  /** Key prefix; the id of an account follows. A sorted set of the hashes of its sessions, by their start times. */
  sessionsOf: 'kss:sessions:',
  /** A sorted set of the users with entries in the outbox of the Audiobookshelf bridge, by the due time of the first. */
  bridgeOutbox: 'kss:abs:outbox',
  /** Key prefix; the id of an item of Audiobookshelf follows. JSON of the counts of its ebook. */
  bridgeBook: 'kss:abs:book:',
  /** Key prefix; the purpose of the lease follows. A string: the holder's token. */
  bridgeLease: 'kss:abs:lease:',
  /** Key prefix; the name of a limit and its subject follow. A count that expires. */
  limit: 'kss:limit:',
}

/** The user and document of a key in the official server's layout; undefined for any other key. */
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

/** The kind and account of a key that kss adds to an account; `document` for a history only. Undefined for any other key. */
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
