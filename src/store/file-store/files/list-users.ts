import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import pLimit from 'p-limit'
import { authFile, parseUser, type StoredUser } from './auth-file.ts'
import { DamagedFile } from '../../../damaged-file.ts'
import { unlessAbsent } from '../../../error-code.ts'
import { toFileName } from './file-name.ts'
import { quote } from '../../finding.ts'
import { mayBeUsers } from './folder-names.ts'
import { readTrusted } from '../../../trusted-file.ts'

/** Files that are read at a time: on some systems a process may open 256. */
const readers = 16

/**
 * All users of a state directory whose credential can be read, in no order. `onLeftOut` is told of each other folder
 * that is a user's, and why its user is not served.
 */
export async function listStoredUsers(
  dir: string,
  onLeftOut: (error: DamagedFile) => void = () => undefined,
): Promise<StoredUser[]> {
  const folders = (await readdir(dir)).filter(mayBeUsers)
  const users = await pLimit(readers).map(folders, async (folder) => {
    const path = join(dir, folder, authFile)
    try {
      return await readUser(path, folder)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      onLeftOut(error instanceof DamagedFile ? error : new DamagedFile(path, `cannot be read: ${code}`))
      return undefined
    }
  })
  return users.filter((user) => user !== undefined)
}

/** Undefined when it is no user's folder. Throws DamagedFile, or as the file system does. */
async function readUser(path: string, folder: string): Promise<StoredUser | undefined> {
  const text = await unlessAbsent(readTrusted(path))
  if (text === undefined) {
    if (await holdsRecords(dirname(path))) throw new DamagedFile(path, 'is missing')
    return undefined
  }
  const user = parseUser(text, undefined, path)
  const right = toFileName(user.username)
  if ([user.username, right].includes(folder)) return user
  throw new DamagedFile(path, `is of the user ${quote(user.username)}, whose folder is ${right}`)
}

async function holdsRecords(folder: string): Promise<boolean> {
  const names = (await unlessAbsent(readdir(folder))) ?? []
  return names.some((name) => name === 'history' || /^[^.].*\.json$/.test(name))
}
