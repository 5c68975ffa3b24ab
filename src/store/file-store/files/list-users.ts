import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { authFile, parseUser, type StoredUser } from './auth-file.ts'
import { DamagedFile } from '../../../damaged-file.ts'
import { ifPresent } from '../../../error-code.ts'
import { fromFileName, toFileName } from './file-name.ts'
import { quote } from '../../finding.ts'
import { eachUserFolder } from './folder-names.ts'
import { readTrustedSync } from '../../../trusted-file.ts'

/** Told of a folder that is a user's, and why its user is not served. */
type OnLeftOut = (error: DamagedFile) => void

/** The folders of the state directory that may be users', in the order of the users' names: names only, for a million. */
export async function listUserFolders(dir: string): Promise<string[]> {
  const folders: string[] = []
  for await (const folder of eachUserFolder(dir)) folders.push(folder)
  const { compare } = new Intl.Collator()
  return folders.toSorted((one, other) => compare(nameOf(one), nameOf(other)))
}

// For commands: nobody else waits in their process, and through the thread pool it takes several times as long.

/**
 * The users of these folders whose credential can be read, in the order of the folders, one at a time; undefined for each
 * folder without one.
 */
export function* eachStoredUser(
  dir: string,
  folders: string[],
  onLeftOut: OnLeftOut = () => undefined,
): Generator<StoredUser | undefined> {
  for (const folder of folders) yield readOrLeaveOut(join(dir, folder, authFile), folder, onLeftOut)
}

/** All users of a state directory whose credential can be read: only where there is memory for all. */
export async function listStoredUsers(dir: string, onLeftOut?: OnLeftOut): Promise<StoredUser[]> {
  const users: StoredUser[] = []
  for (const user of eachStoredUser(dir, await listUserFolders(dir), onLeftOut)) if (user) users.push(user)
  return users
}

/** Of a folder under a raw name or a hash it is that. */
function nameOf(folder: string): string {
  return folder.includes('%') ? (fromFileName(folder) ?? folder) : folder
}

function readOrLeaveOut(path: string, folder: string, onLeftOut: OnLeftOut): StoredUser | undefined {
  try {
    return readUser(path, folder)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    onLeftOut(error instanceof DamagedFile ? error : new DamagedFile(path, `cannot be read: ${code}`))
    return undefined
  }
}

/** Undefined when it is no user's folder. Throws DamagedFile, or as the file system does. */
function readUser(path: string, folder: string): StoredUser | undefined {
  const text = ifPresent(() => readTrustedSync(path).toString())
  if (text === undefined) {
    if (holdsRecords(dirname(path))) throw new DamagedFile(path, 'is missing')
    return undefined
  }
  const user = parseUser(text, undefined, path)
  const right = toFileName(user.username)
  if ([user.username, right].includes(folder)) return user
  throw new DamagedFile(path, `is of the user ${quote(user.username)}, whose folder is ${right}`)
}

function holdsRecords(folder: string): boolean {
  const names = ifPresent(() => readdirSync(folder)) ?? []
  return names.some((name) => name === 'history' || /^[^.].*\.json$/.test(name))
}
