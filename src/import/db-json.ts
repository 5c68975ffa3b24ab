import { isObject, parseSource, readSourceFile } from './source-file.ts'
import { SourceError, type Source } from './source.ts'
import { orphanProblem, toUser, type Row } from './to-user.ts'
import { plainKey } from './wire-rules.ts'

const wanted = 'the db.json of the other server'

/**
 * Reads the db.json of b1n4ryj4n's server: TinyDB tables, which are objects of records by number. The password field
 * of a user holds the x-auth-key.
 * @see https://github.com/b1n4ryj4n/koreader-sync
 */
export async function* readDbJson(path: string): Source {
  const { bytes, fileTime } = await readSourceFile(path, wanted)
  const { users, documents } = parseSource(bytes, path, wanted)
  if (!isObject(users)) throw new SourceError(`${path} has no users. Give the path of ${wanted}.`)
  if (!isObject(documents ?? {}))
    throw new SourceError(`${path} has no table of documents. Give the path of ${wanted}.`)
  const rows = groupByUser(recordsOf(documents))
  const accounts = recordsOf(users)
  for (const { username, password: key } of accounts) {
    yield* toUser({ username, key, keyPattern: plainKey }, rows.get(username) ?? [], fileTime)
  }
  for (const { username } of accounts) rows.delete(username)
  for (const [username, { length }] of rows) yield orphanProblem(username, length)
}

/** The records of a table. A value that is no record becomes an empty one. */
function recordsOf(table: unknown): Record<string, unknown>[] {
  return Object.values(isObject(table) ? table : {}).map((record) => (isObject(record) ? record : {}))
}

function groupByUser(records: Record<string, unknown>[]): Map<unknown, Row[]> {
  const groups = new Map<unknown, Row[]>()
  for (const { username, document, progress, percentage, device, device_id, timestamp } of records) {
    const rows = groups.get(username) ?? []
    rows.push({ fields: { document, progress, percentage, device, device_id, timestamp } })
    groups.set(username, rows)
  }
  return groups
}
