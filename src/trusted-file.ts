import { constants, lstatSync, readFileSync, statSync, type Stats } from 'node:fs'
import { lstat, open, type FileHandle } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { DamagedFile } from './damaged-file.ts'
import { hasCode, ifPresent, unlessAbsent } from './error-code.ts'

/*
 * Files of the state directory that nobody else can have planted. A symbolic link could lead to another account's files,
 * or out of the directory; a folder of another user holds what that user likes. Both count as damaged. The state
 * directory itself may be reached through a link.
 */

/** What a finding and an error say of a link. */
export const linkReason = 'is a symbolic link: kss does not follow it'

// Windows has neither of the first two: undefined counts as 0.
const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants

/** Opening a pipe would wait for a process that writes into it. */
const toRead = O_RDONLY | O_NONBLOCK

/** Opens a file of the state directory. Throws DamagedFile for a link on the way to it, or a folder of another user. */
export async function openTrusted(path: string, flags: number = toRead, mode?: number): Promise<FileHandle> {
  await checkFoldersOf(path)
  try {
    return await open(path, flags | O_NOFOLLOW, mode)
  } catch (error) {
    throw asDamaged(error, path)
  }
}

/** The text of the file; rejects as openTrusted does. */
export async function readTrusted(path: string): Promise<string> {
  const file = await openTrusted(path)
  try {
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

/**
 * For commands: nobody else waits in their process. Throws as openTrusted does. With an encoding Node allocates no buffer,
 * which pays where there are thousands of files.
 */
export function readTrustedSync(path: string): Buffer
export function readTrustedSync(path: string, encoding: 'utf8'): string
export function readTrustedSync(path: string, encoding?: 'utf8'): Buffer | string {
  for (const folder of foldersOf(path)) {
    const stats = ifPresent(() => lstatSync(folder))
    if (stats) check(folder, stats)
  }
  try {
    // Types know only names of flags.
    return readFileSync(path, { encoding, flag: (toRead | O_NOFOLLOW) as unknown as string })
  } catch (error) {
    throw asDamaged(error, path)
  }
}

/** Throws DamagedFile when a folder on the way to the file is a link, or another user's. */
export async function checkFoldersOf(path: string): Promise<void> {
  for (const folder of foldersOf(path)) await checkFolder(folder)
}

/** Throws DamagedFile when the folder is a link, or another user's. */
export async function checkFolder(folder: string): Promise<void> {
  const stats = await unlessAbsent(lstat(folder))
  if (stats) check(folder, stats)
}

/** The folders between the state directory and the file. @see STORAGE.md §1 */
function foldersOf(path: string): string[] {
  // At the top, as .format is.
  if (basename(path).startsWith('.')) return []
  const folder = dirname(path)
  return path.endsWith('.jsonl') ? [dirname(folder), folder] : [folder]
}

function check(folder: string, stats: Stats): void {
  if (stats.isSymbolicLink()) throw new DamagedFile(folder, linkReason)
  const { uid } = stats
  // Root may do all, and so may the owner of the folder that it is in; on a network disk all may be one other user's.
  const isTrusted = [process.getuid?.(), 0].includes(uid) || statSync(dirname(folder)).uid === uid
  if (!isTrusted) throw new DamagedFile(folder, `belongs to user ${uid}: kss does not trust it`)
}

function asDamaged(error: unknown, path: string): unknown {
  return hasCode(error, 'ELOOP') ? new DamagedFile(path, linkReason) : error
}
