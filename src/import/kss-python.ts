import type { Dirent } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import pLimit from 'p-limit'
import { DamagedFile, parseObject } from '../damaged-file.ts'
import { ImportedRows, toProblem } from './imported-rows.ts'
import { toImportedUser } from './imported-user.ts'
import { hasAuth, hasPendingPushes, listFolder, readEntry, resolveEntry, type Folder } from './kss-folder.ts'
import { isFileNameOf } from './kss-names.ts'
import { addHistories, addRecords } from './kss-records.ts'
import { quote } from './one-line.ts'
import { toSourceError } from './source-file.ts'
import { SourceError, type ImportedUser, type Problem, type Source } from './source.ts'
import { journalFolder, logFolder } from '../store/file-store/files/folder-names.ts'
import { isKey } from './wire-rules.ts'

const wanted = "kss's state folder, which has an auth.json in each user's folder"

const notUsers = new Set([journalFolder, logFolder])

/** Number of folders that are read concurrently. */
const atOnce = 16

/** Reads a state folder of Python kss, or of this kss, which also has histories. */
export async function* readKssPython(dir: string): Source {
  const { root, folders, hasPushes } = await openRoot(dir)
  const taken = new Set<string>()
  if (hasPushes) {
    yield {
      problem: `${dir}: the newest pushes are only in the log yet. Start and stop kss there, then come again.`,
    }
  }
  for (const entry of folders) yield* await readUser(root, entry, taken)
}

interface Root {
  /** The path without symbolic links. */
  root: string
  folders: Dirent[]
  /** Whether the journal holds pushes that may not be in the files. */
  hasPushes: boolean
}

/** Throws SourceError. */
async function openRoot(dir: string): Promise<Root> {
  try {
    const root = await realpath(dir)
    const entries = await listFolder(root)
    const found = entries.filter((entry) => !notUsers.has(entry.name) && !entry.isFile() && !entry.isSocket())
    const areUsers = await pLimit(atOnce).map(found, async ({ name }) => await hasAuth(join(root, name)))
    // Such as .console: what kss keeps beside the accounts.
    const folders = found.filter(({ name }, at) => areUsers[at] || !name.startsWith('.'))
    if (!areUsers.includes(true)) throw new SourceError(`${dir} has no users. Give the path of ${wanted}.`)
    return { root, folders, hasPushes: await hasPendingPushes(root) }
  } catch (error) {
    throw toSourceError(error, dir, wanted)
  }
}

async function readUser(root: string, entry: Dirent, taken: Set<string>): Promise<(ImportedUser | Problem)[]> {
  const where = quote(entry.name)
  try {
    const folder = { path: resolveEntry(root, entry, where), name: entry.name }
    const files = await listFolder(folder.path)
    const authFile = files.find(({ name }) => name === 'auth.json')
    if (!authFile) throw new DamagedFile(where, 'has no auth.json')
    const rows = new ImportedRows()
    const { username, key } = readAuth(folder, authFile, rows)
    if (taken.has(username)) throw new DamagedFile(where, `another folder is that of ${quote(username)} too`)
    taken.add(username)
    await addHistories(rows, folder, files)
    // After the rows of the same second: a record has what an earlier push told of the book, too.
    await addRecords(rows, folder, files)
    return [...toImportedUser(username, key, rows, isKey)]
  } catch (error) {
    return [toProblem(error, where)]
  }
}

/** Throws DamagedFile when the folder does not belong to the user that its auth.json names. */
function readAuth(folder: Folder, authFile: Dirent, { problems }: ImportedRows): { username: string; key?: unknown } {
  const where = quote(`${folder.name}/${authFile.name}`)
  const { text } = readEntry(folder.path, authFile, where)
  const auth = parseObject(text, where)
  // During a rename auth.json holds the new name already.
  const names = [auth['x-auth-user-next'], auth['x-auth-user']].filter((name) => typeof name === 'string')
  const username = names.find((name) => isFileNameOf(folder.name, name))
  // A push to Python kss could make folders: `%61lice` must not be taken for the folder of alice.
  if (username === undefined || (isPushed(auth) && username !== folder.name)) {
    throw new DamagedFile(where, 'its x-auth-user is not whose folder it is in')
  }
  const reason = reasonAgainstKey(auth)
  if (reason === undefined) return { username, key: auth['x-auth-key'] }
  problems.push({ problem: `${where}: ${reason}: the user comes without it` })
  return { username }
}

/** Why the key must not be accepted for log-ins; undefined when it may. */
function reasonAgainstKey(auth: Record<string, unknown>): string | undefined {
  if (isPushed(auth)) return "a push has replaced it, so its x-auth-key may be a stranger's"
  return auth['disabled'] === true ? 'the user is locked, so the x-auth-key must not let them in' : undefined
}

/** Python kss accepted a push of the document `../alice/auth`, whose body could hold any user and key. */
function isPushed(auth: Record<string, unknown>): boolean {
  return Object.hasOwn(auth, 'document')
}
