import { ImportedRows } from './imported-rows.ts'
import { toImportedUser } from './imported-user.ts'
import { decodeKosyncFile, entriesOf, isSqlite, wanted } from './kosync-file.ts'
import { field, isBlank, toFields } from './kosync-record.ts'
import { quote } from './one-line.ts'
import { isObject, readSourceFile } from './source-file.ts'
import { SourceError, type Source } from './source.ts'
import { kosync } from './sqlite-schemas.ts'
import { readSqlite } from './sqlite.ts'
import { isPlainKey } from './wire-rules.ts'

/**
 * Reads the data of KOsync, the Go server: a database.json of any schema, the kosync.db of 2026.05 and newer, or a .bak
 * of either.
 */
export async function* readKosyncGo(path: string): Source {
  const file = await readSourceFile(path, wanted)
  if (isSqlite(file)) {
    yield* readSqlite(path, kosync)
    return
  }
  const { database, fileTime } = await decodeKosyncFile(file, path)
  const users = usersOf(database)
  if (!users) throw new SourceError(`${path} is no database of KOsync. Give the path of ${wanted}.`)
  for (const [username, user] of users) {
    if (isAccount(user)) {
      yield* toImportedUser(username, field(user, 'password'), rowsOf(username, user, fileTime), isPlainKey)
    } else yield { problem: `user ${quote(username)}: has neither password nor documents`, username }
  }
}

/** Undefined when the object is no KOsync database. In the oldest schema the object itself is the map of users. */
function usersOf(database: unknown): [string, unknown][] | undefined {
  if (!isObject(database)) return undefined
  const users = field(database, 'users')
  if (typeof field(database, 'schema') === 'number') {
    if (users === undefined || users === null) return []
    return isObject(users) ? entriesOf(users) : undefined
  }
  // Here `users` is an account with that name.
  if (isObject(users) && !hasPassword(users)) return entriesOf(users)
  const flat = entriesOf(database)
  return flat.length === 0 || flat.some(([, user]) => isAccount(user)) ? flat : undefined
}

function isAccount(user: unknown): user is Record<string, unknown> {
  return isObject(user) && (hasPassword(user) || isObject(field(user, 'documents')))
}

function hasPassword(user: Record<string, unknown>): boolean {
  return typeof field(user, 'password') === 'string'
}

function rowsOf(username: string, user: Record<string, unknown>, fileTime: number): ImportedRows {
  const rows = new ImportedRows()
  const who = `user ${quote(username)}`
  // Of two pushes in the same second the older one is in the history: with equal times, the last row is the newest.
  for (const [id, history] of mapOf(user, 'history', who, rows)) addHistory(rows, id, history, who)
  for (const [id, record] of mapOf(user, 'documents', who, rows)) {
    const where = `${who}, document ${quote(id)}`
    if (isObject(record)) rows.add(toFields(record, id), where, fileTime, field(record, 'pretty_name'))
    else rows.problems.push({ problem: `${where}: is not a record` })
  }
  return rows
}

function mapOf(
  user: Record<string, unknown>,
  name: 'documents' | 'history',
  who: string,
  { problems }: ImportedRows,
): [string, unknown][] {
  const map = field(user, name) ?? {}
  if (isObject(map)) return entriesOf(map)
  problems.push({ problem: `${who}: its ${name} field is no map` })
  return []
}

/** A list, or an object with a list in it; Go writes null for an empty list. */
function addHistory(rows: ImportedRows, id: string, history: unknown, who: string): void {
  const where = `${who}, history of ${quote(id)}`
  const list = (isObject(history) ? field(history, 'document_history') : history) ?? []
  if (!Array.isArray(list)) {
    rows.problems.push({ problem: `${where}: is not a list` })
    return
  }
  for (const [at, record] of list.entries()) {
    const row = `${where}, row ${at + 1}`
    if (!isObject(record)) rows.problems.push({ problem: `${row}: is not a record` })
    // An old row without a time must not get the time of the file.
    else if (!isBlank(record)) rows.add(toFields(record, id), row, 0)
  }
}
