import { toImportedUser } from './imported-user.ts'
import { ImportedRows } from './imported-rows.ts'
import { quote } from './one-line.ts'
import { isObject, parseSource, readSourceFile } from './source-file.ts'
import { SourceError, type Source } from './source.ts'
import { isPlainKey } from './wire-rules.ts'

const wanted = 'the users.json of the other server'

/**
 * Reads the users.json of myelsukov's server: an object that holds for each user name the x-auth-key, as `userkey`, and
 * the newest position of each document.
 */
export async function* readUsersJson(path: string): Source {
  const { bytes, fileTime } = await readSourceFile(path, wanted)
  const users = Object.entries(parseSource(bytes, path, wanted))
  if (users.length > 0 && !users.some(([, user]) => isAccount(user)))
    throw new SourceError(`${path} holds no user with a userkey or documents. Give the path of ${wanted}.`)
  for (const [username, user] of users) {
    if (isAccount(user)) yield* toImportedUser(username, user['userkey'], rowsOf(username, user, fileTime), isPlainKey)
    else yield { problem: `user ${quote(username)}: has neither userkey nor documents`, username }
  }
}

function isAccount(user: unknown): user is Record<string, unknown> {
  return isObject(user) && (typeof user['userkey'] === 'string' || isObject(user['documents']))
}

function rowsOf(username: string, user: Record<string, unknown>, fileTime: number): ImportedRows {
  const rows = new ImportedRows()
  const documents = user['documents'] ?? {}
  if (!isObject(documents)) {
    rows.problems.push({ problem: `user ${quote(username)}: the documents are not a JSON object` })
    return rows
  }
  for (const [document, record] of Object.entries(documents)) {
    const where = `user ${quote(username)}, document ${quote(document)}`
    if (!isObject(record)) {
      rows.problems.push({ problem: `${where}: is not a record` })
      continue
    }
    const { progress, percentage, device, device_id, timestamp } = record
    rows.add({ document, progress, percentage, device, device_id, timestamp }, where, fileTime)
  }
  return rows
}
