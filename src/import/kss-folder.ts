import { readFileSync, realpathSync, statSync, type Dirent } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { DamagedFile } from '../damaged-file.ts'
import { hasCode, unlessAbsent } from '../error-code.ts'

/** What kss was writing when it crashed begins so. */
const tempPrefix = '.tmp-'

/** A user's folder, or the one of their histories. */
export interface Folder {
  path: string
  /** How problems call it. */
  name: string
}

export interface KssFile {
  text: string
  /** When it was written: seconds since 1970. */
  fileTime: number
}

/** What is in the folder, by name. */
export async function listFolder(path: string): Promise<Dirent[]> {
  const entries = await readdir(path, { withFileTypes: true })
  const kept = entries.filter(({ name }) => !name.startsWith(tempPrefix))
  // No two have the same name.
  return kept.toSorted((a, b) => Number(a.name > b.name) * 2 - 1)
}

/** The path of what is in the folder. A link is followed, but not out of there: throws DamagedFile. */
export function resolveEntry(folder: string, entry: Dirent, where: string): string {
  const path = join(folder, entry.name)
  if (!entry.isSymbolicLink()) return path
  const target = realpathSync.native(path)
  if (!target.startsWith(folder + sep)) throw new DamagedFile(where, 'is a link that leads out of the folder')
  return target
}

/**
 * Throws DamagedFile when it is not a file of the folder. Nobody waits for an import, and with promises a hundred
 * thousand small files take five times as long.
 */
export function readEntry(folder: string, entry: Dirent, where: string): KssFile {
  const path = resolveEntry(folder, entry, where)
  const stats = statSync(path)
  // Reading a pipe might never end.
  if (!stats.isFile()) throw new DamagedFile(where, 'is not a file')
  return { text: readFileSync(path, 'utf8'), fileTime: Math.floor(stats.mtimeMs / 1000) }
}

/** Whether the folder is a user's, or may be: one that cannot be looked into is. */
export async function hasAuth(folder: string): Promise<boolean> {
  try {
    await stat(join(folder, 'auth.json'))
    return true
  } catch (error) {
    return !hasCode(error, 'ENOENT', 'ENOTDIR')
  }
}

/** Whether pushes are in the journal that may not be in the files yet. @see STORAGE.md §3, The journal */
export async function hasJournal(root: string): Promise<boolean> {
  const journal = join(root, '.journal')
  const names = (await unlessAbsent(readdir(journal))) ?? []
  const sizes = await Promise.all(names.map(async (name) => (await unlessAbsent(stat(join(journal, name))))?.size ?? 0))
  return sizes.some((size) => size > 0)
}
