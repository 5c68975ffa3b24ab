import type { Stats } from 'node:fs'
import { dirname, join } from 'node:path'
import { authFile, parseUser, type StoredUser } from './auth-file.ts'
import { DamagedFile } from '../../../damaged-file.ts'
import { fromFileName, toFileName } from './file-name.ts'
import type { FileReads } from './file-reads.ts'
import { quote } from '../../finding.ts'
import { eachUserFolder } from './folder-names.ts'

/** The folders of the state directory that may be users', in the order of the users' names: names only, for a million. */
export async function listUserFolders(dir: string): Promise<string[]> {
  const folders: string[] = []
  for await (const folder of eachUserFolder(dir)) folders.push(folder)
  return folders.toSorted(compareFolders)
}

/** Created by the first comparison: Node takes 14 ms for it, and a start compares nothing. */
let collator: Intl.Collator | undefined

/** By the names of their users. */
export function compareFolders(one: string, other: string): number {
  collator ??= new Intl.Collator()
  return collator.compare(nameOf(one), nameOf(other)) || (one < other ? -1 : Number(one > other))
}

/** Of a folder under a raw name or a hash it is that. */
function nameOf(folder: string): string {
  return folder.includes('%') ? (fromFileName(folder) ?? folder) : folder
}

/** A user as auth.json tells of it, and the stat of that file. */
export interface ReadUser {
  user: StoredUser
  stats: Stats
}

/** Undefined when it is no user's folder. Throws DamagedFile when nobody can know whose it is. */
export async function readStoredUser(reads: FileReads, dir: string, folder: string): Promise<ReadUser | undefined> {
  const path = join(dir, folder, authFile)
  try {
    return await readUser(reads, path, folder)
  } catch (error) {
    if (error instanceof DamagedFile) throw error
    throw new DamagedFile(path, `cannot be read: ${(error as NodeJS.ErrnoException).code}`)
  }
}

async function readUser(reads: FileReads, path: string, folder: string): Promise<ReadUser | undefined> {
  const text = await reads.text(path)
  const stats = await reads.stat(path)
  if (text === undefined || !stats) {
    if (holdsRecords(await reads.names(dirname(path)))) throw new DamagedFile(path, 'is missing')
    return undefined
  }
  const user = parseUser(text, path)
  const right = toFileName(user.username)
  if ([user.username, right].includes(folder)) return { user, stats }
  throw new DamagedFile(path, `is of the user ${quote(user.username)}, whose folder is ${right}`)
}

function holdsRecords(names: string[]): boolean {
  return names.some((name) => name === 'history' || /^[^.].*\.json$/.test(name))
}
