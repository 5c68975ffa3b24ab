import { readFileSync, realpathSync, statSync, type Dirent } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join, sep } from 'node:path'
import { DamagedFile } from '../damaged-file.ts'
import { hasCode, unlessAbsent } from '../error-code.ts'
import { journalFolder, logFolder } from '../store/file-store/files/folder-names.ts'
import { decodeSegment } from '../store/file-store/wal/record.ts'
import { numberOf } from '../store/file-store/wal/recovery.ts'

/** Prefix of temporary files, which a crash may leave. */
const tempPrefix = '.tmp-'

/** A user's folder, or the folder of the user's histories. */
export interface Folder {
  path: string
  /** The name in problems. */
  name: string
}

export interface KssFile {
  text: string
  /** Modification time, in seconds since 1970. */
  fileTime: number
}

/** The entries of the folder, sorted by name. */
export async function listFolder(path: string): Promise<Dirent[]> {
  const entries = await readdir(path, { withFileTypes: true })
  const kept = entries.filter(({ name }) => !name.startsWith(tempPrefix))
  // Names in a folder are unique.
  return kept.toSorted((a, b) => Number(a.name > b.name) * 2 - 1)
}

/** The real path of an entry. Throws DamagedFile when a symbolic link leads out of the folder. */
export function resolveEntry(folder: string, entry: Dirent, where: string): string {
  const path = join(folder, entry.name)
  if (!entry.isSymbolicLink()) return path
  const target = realpathSync.native(path)
  if (!target.startsWith(folder + sep)) throw new DamagedFile(where, 'is a link that leads out of the folder')
  return target
}

/**
 * Throws DamagedFile when the path is not a file of the folder. Synchronous: no request waits for an import, and with
 * promises 100,000 small files take five times as long.
 */
export function readEntry(folder: string, entry: Dirent, where: string): KssFile {
  const path = resolveEntry(folder, entry, where)
  const stats = statSync(path)
  // Reading a named pipe could block for ever.
  if (!stats.isFile()) throw new DamagedFile(where, 'is not a file')
  return { text: readFileSync(path, 'utf8'), fileTime: Math.floor(stats.mtimeMs / 1000) }
}

/** Whether the folder is a user's. A folder that cannot be read counts as one, so that it is reported. */
export async function hasAuth(folder: string): Promise<boolean> {
  try {
    await stat(join(folder, 'auth.json'))
    return true
  } catch (error) {
    return !hasCode(error, 'ENOENT', 'ENOTDIR')
  }
}

/** Whether pushes are in the log, or in the journal of an older kss, that may not be in the files yet. @see STORAGE.md §3 */
export async function hasPendingPushes(root: string): Promise<boolean> {
  for (const path of await listFiles(join(root, journalFolder))) {
    if (((await unlessAbsent(stat(path)))?.size ?? 0) > 0) return true
  }
  for (const path of await listFiles(join(root, logFolder))) {
    const bytes = await unlessAbsent(readFile(path))
    if (bytes && decodeSegment(bytes, numberOf(basename(path))).lines.length > 0) return true
  }
  return false
}

async function listFiles(folder: string): Promise<string[]> {
  return ((await unlessAbsent(readdir(folder))) ?? []).map((name) => join(folder, name))
}
