import { randomBytes } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { link, lstat, mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Batcher } from './batcher.ts'
import { hasCode, unlessAbsent } from './error-code.ts'
import { checkFoldersOf, openTrusted } from './trusted-file.ts'

/** Left-over files that begin with this are removed at start. */
export const tempPrefix = '.tmp-'

// Windows has no O_NOFOLLOW: undefined counts as 0.
const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR, O_WRONLY } = constants
export const onWindows = process.platform === 'win32'

/** A new name in the folder, for what is not whole yet. Never derived from the wire. */
export function tempPath(folder: string): string {
  return join(folder, `${tempPrefix}${randomBytes(12).toString('hex')}`)
}

/** What is written to a file; a part at a time, if it is long. */
type FileData = string | AsyncIterable<Buffer | string>

/** Puts the data at the path, whole or not at all, and durably; resolves to the new file's stat. @see STORAGE.md §3 */
export async function replaceFile(path: string, data: FileData): Promise<Stats> {
  const stats = await replaceUnflushed(path, data, (file) => file.sync())
  await syncFolder(dirname(path))
  return stats
}

/**
 * The same without a flush, or with the flush of the new file alone: readers see the old content or the new one, but
 * after a power cut the file may be empty or torn. For what the write-ahead log still holds.
 */
export async function replaceUnflushed(
  path: string,
  data: FileData,
  flush: (file: FileHandle) => Promise<unknown> = () => Promise.resolve(),
): Promise<Stats> {
  await checkFoldersOf(path)
  const temp = tempPath(dirname(path))
  return await orRemove(temp, async () => {
    const stats = await writeNew(temp, data, flush)
    await renameFile(temp, path)
    return stats
  })
}

/**
 * Adds whole lines to the end of the file, without a flush; a torn line that a crash left there is ended first. Makes
 * the file and the folder it is in when they are not there. Whether the file was empty, or was made.
 */
export async function appendUnflushed(path: string, lines: string): Promise<boolean> {
  const file = await openOrMakeFolder(path)
  try {
    const { size } = await file.stat()
    await file.appendFile((await endsInsideLine(file, size)) ? `\n${lines}` : lines)
    return size === 0
  } finally {
    await file.close()
  }
}

/** Flushes the content of the file, if there is one; not its entry in the folder. */
export async function syncFile(path: string): Promise<void> {
  /* c8 ignore next -- Windows flushes only what was opened for writing */
  const file = await unlessAbsent(openTrusted(path, onWindows ? O_RDWR : undefined))
  try {
    await file?.sync()
  } finally {
    await file?.close()
  }
}

/** Moves a file or folder, over the target if there is one; not durable until syncFolder. */
export async function renameFile(from: string, to: string): Promise<void> {
  const deadline = Date.now() + 1000
  for (;;) {
    try {
      await rename(from, to)
      return
    } catch (error) {
      /* c8 ignore next 3 -- Windows only: a virus scanner or a backup has the file open for a moment */
      if (!onWindows || !hasCode(error, 'EPERM', 'EACCES', 'EBUSY') || Date.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

/** Keeps a file that is no good, under a name that nothing reads, durably. @see STORAGE.md §3, Faults */
export async function setAside(path: string): Promise<void> {
  await checkFoldersOf(path)
  await renameFile(path, `${path}.corrupt-${Date.now()}`)
  await syncFolder(dirname(path))
}

/**
 * As setAside, with the data in the place of the file, if there are any. False, and nothing is done, when another file
 * than the one of the stat is there by now, or none.
 */
export async function replaceDamaged(path: string, stats: Stats, data?: string): Promise<boolean> {
  const temp = tempPath(dirname(path))
  await checkFoldersOf(path)
  return await orRemove(temp, async () => {
    if (data !== undefined) await writeNew(temp, data, (file) => file.sync())
    if (identityOf(await unlessAbsent(lstat(path))) !== identityOf(stats)) {
      await rm(temp, { force: true })
      return false
    }
    const aside = `${path}.corrupt-${Date.now()}`
    await (data === undefined ? renameFile(path, aside) : addName(path, aside))
    if (data !== undefined) await renameFile(temp, path)
    await syncFolder(dirname(path))
    return true
  })
}

/** Gives the file a second name. Where there are no hard links, and for a folder, it loses the first one. */
async function addName(path: string, name: string): Promise<void> {
  try {
    await link(path, name)
  } catch (error) {
    if (!hasCode(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK')) throw error
    await renameFile(path, name)
  }
}

/** Changes when the file is replaced or edited; a rename keeps all three parts. Empty when there is none. */
export function identityOf(stats: Stats | undefined): string {
  return stats ? `${stats.ino} ${stats.size} ${stats.mtimeMs}` : ''
}

const folderSyncs = new Batcher<void, void>(async (path, callers) => {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
    return callers
  } finally {
    await folder.close()
  }
})

/** Flushes a folder's entries. A call joins the next flush, never one that runs already. Windows has no such call. */
export async function syncFolder(path: string): Promise<void> {
  if (!onWindows) await folderSyncs.add(path, undefined)
}

async function openOrMakeFolder(path: string): Promise<FileHandle> {
  const flags = O_APPEND | O_CREAT | O_RDWR
  try {
    return await openTrusted(path, flags, 0o600)
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
    await makeFolder(dirname(path))
    return await openTrusted(path, flags, 0o600)
  }
}

/** Makes the folder, durably, if it is not there; of two callers at once one makes it, and both wait for the flush. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error
  }
  await syncFolder(dirname(path))
}

/** Writes a file into a folder that is not in use yet, durably; its entry in the folder is flushed at the same time. */
export async function writeNewFile(path: string, data: string): Promise<Stats> {
  return await writeNew(path, data, (file) => Promise.all([file.sync(), syncFolder(dirname(path))]))
}

/** Makes the file, which must not be there. */
export async function writeNew(
  path: string,
  data: FileData,
  flush: (file: FileHandle) => Promise<unknown>,
): Promise<Stats> {
  const file = await open(path, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o600)
  try {
    // Its type does not know that it takes parts, too.
    await file.writeFile(data as string)
    await flush(file)
    return await file.stat()
  } finally {
    await file.close()
  }
}

/** On any error the temp goes; if it can't, the clean-up at the next start takes it. */
async function orRemove<T>(temp: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    await rm(temp, { force: true }).catch(() => undefined)
    throw error
  }
}

async function endsInsideLine(file: FileHandle, size: number): Promise<boolean> {
  if (size === 0) return false
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1)
  return buffer[0] !== 0x0a
}
