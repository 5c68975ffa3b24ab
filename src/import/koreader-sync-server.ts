import { isUtf8 } from 'node:buffer'
import type * as Redis from '@redis/client'
import { importOptional } from './optional-package.ts'
import { SourceError, type ImportedUser, type Problem, type Source } from './source.ts'
import { toUser, type Row } from './to-user.ts'
import { plainKey } from './wire-rules.ts'

type Client = Awaited<ReturnType<typeof connect>>

const fields = ['percentage', 'progress', 'device', 'device_id', 'timestamp']

/**
 * Reads the Redis of the official server, or of a server with the same keys: `redis://host:port/database`; the default
 * database is 1. All document names are held in memory, but the records of one user only.
 * @see https://github.com/koreader/koreader-sync-server
 */
export async function* readKoreaderSyncServer(
  url: string,
  timeoutMs: number = 10_000,
  maxPages: number = 100_000,
): Source {
  const address = parseAddress(url)
  const redis = await importOptional<typeof Redis>('@redis/client', '6')
  const where = `Redis at ${address.host}, database ${address.pathname.slice(1)},`
  let client: Client | undefined
  try {
    client = await connect(redis, address, timeoutMs)
    yield* readUsers(client, where, maxPages)
  } catch (error) {
    if (error instanceof SourceError) throw error
    throw new SourceError(`${where} cannot be read: ${reason(error)}`, { cause: error })
  } finally {
    client?.destroy()
  }
}

/** The address may contain a password, so no message quotes it. */
function parseAddress(url: string): URL {
  const address = URL.canParse(url) ? new URL(url) : undefined
  if (!address || !['redis:', 'rediss:'].includes(address.protocol) || !/^(\/\d*)?$/.test(address.pathname)) {
    throw new SourceError('This is not the address of a Redis. Write it as redis://localhost:6379/1')
  }
  if (address.pathname.length < 2) address.pathname = '/1'
  return address
}

async function connect({ createClient, RESP_TYPES }: typeof Redis, { href }: URL, timeoutMs: number) {
  const client = createClient({
    url: href,
    // Every Redis speaks RESP 2.
    RESP: 2,
    disableClientInfo: true,
    disableOfflineQueue: true,
    // A caller that pauses between two users must not look like a Redis that does not answer.
    pingInterval: timeoutMs / 2,
    socket: { connectTimeout: timeoutMs, socketTimeout: timeoutMs, reconnectStrategy: false },
    commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
  })
  // The pending command rejects with the same error.
  client.on('error', () => {})
  return await client.connect()
}

/** At most `maxPages` pages of some thousand keys: a faulty server could answer SCAN with a next page for ever. */
async function* readUsers(client: Client, where: string, maxPages: number): AsyncGenerator<ImportedUser | Problem> {
  const names = new Map<string, Set<string>>()
  let pages = 0
  for await (const keys of client.scanIterator({ MATCH: 'user:*', COUNT: 1000 })) {
    pages += 1
    if (pages > maxPages) throw new SourceError(`${where} names keys without end; is it a Redis?`)
    for (const key of keys) {
      if (isUtf8(key)) addKey(names, String(key))
      else yield { problem: `key ${JSON.stringify(key.toString('latin1'))}: is not UTF-8` }
    }
  }
  if (names.size === 0) {
    throw new SourceError(`${where} has no users of a sync server. The official one uses /1, Koshelf's /3`)
  }
  for (const [username, documents] of names) {
    const key = await unlessWrongType(client.get(`user:${username}:key`))
    const rows = (await Promise.all([...documents].map((document) => readRow(client, username, document)))).flat()
    if (key === null && rows.length === 0) continue
    // A user without a key keeps the documents: operators of that server reset a password by deleting the key.
    const account = { username, key: key === null ? undefined : (decode(key) ?? null), keyPattern: plainKey }
    yield* toUser(account, rows, 0)
  }
}

/** SCAN may return a key more than once. */
function addKey(names: Map<string, Set<string>>, key: string): void {
  const [, username, document] = /^user:([^:]+):(?:key|document:([^:]+))$/.exec(key) ?? []
  if (username === undefined) return
  const documents = names.get(username) ?? new Set()
  if (document !== undefined) documents.add(document)
  names.set(username, documents)
}

/** Undefined when the record was deleted meanwhile. */
async function readRow(client: Client, username: string, document: string): Promise<Row[]> {
  const values = await unlessWrongType(client.hmGet(`user:${username}:document:${document}`, fields))
  if (values?.every((value) => value === null)) return []
  const named = fields.map((field, at) => [field, decode(values?.[at])])
  return [{ fields: { document, ...Object.fromEntries(named) } }]
}

/** The text that Lua makes of a JSON null; the official server stores it as the value. */
const nullOfLua = 'userdata: NULL'

/** Invalid UTF-8 becomes a lone surrogate, which every check refuses. */
function decode(value: unknown): string | undefined {
  if (!(value instanceof Buffer)) return undefined
  if (!isUtf8(value)) return '\ud800'
  const text = String(value)
  return text === nullOfLua ? undefined : text
}

/** Undefined when the key holds a value of another type. */
async function unlessWrongType<T>(reply: Promise<T>): Promise<T | undefined> {
  try {
    return await reply
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('WRONGTYPE ')) return undefined
    throw error
  }
}

const reasons: [RegExp, string][] = [
  [/^(NOAUTH|WRONGPASS|ERR AUTH)/, 'the name or the password is wrong'],
  [/timeout/i, 'it does not answer'],
  [/^Socket closed/, 'it hung up; is it a Redis?'],
]

function reason(error: unknown): string {
  const { message } = error as Error
  return reasons.find(([pattern]) => pattern.test(message))?.[1] ?? message
}
