import { constants } from 'node:fs'
import { access, mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CommandError, exitCodes } from '../command-error.ts'
import type { Config } from '../config.ts'
import { onWindows, syncFolder } from '../durable.ts'
import { hasCode, unlessAbsent } from '../error-code.ts'
import { FolderInUse, type Holder } from '../store/file-store/folder-in-use.ts'
import { lockFolder, type FolderLock } from '../store/file-store/folder-lock.ts'
import { readVersion } from '../version.ts'

/** The state directory, for a command that works on files only. Throws CommandError where there is none. */
export function stateFolderOf({ KSS_STORE: store, KSS_DIR: dir }: Config): string {
  if (store === '') return dir
  throw new CommandError('This works on files, and KSS_STORE is set. See docs/redis.md.', exitCodes.usage)
}

/** Makes the state directory, 0700, if it is not there; throws CommandError when this user can't work in it. */
export async function openStateFolder(dir: string): Promise<void> {
  try {
    await makeFolders(dir)
    await access(dir, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw await folderError(dir, error as NodeJS.ErrnoException)
  }
  // What root writes there, the owner's kss could not read.
  const { uid } = await stat(dir)
  if (process.getuid?.() === 0 && uid !== 0) {
    throw new CommandError(`The folder ${dir} belongs to user ${uid}. Run kss as that user, not as root.`)
  }
}

/** A warning when others may write to the folder, since they could add accounts and remove files. */
export async function warnOfWriters(dir: string): Promise<string[]> {
  const { mode } = await stat(dir)
  // Group or others; Windows has no such modes.
  if (onWindows || (mode & 0o022) === 0) return []
  return [`Other users of this machine may write to the folder ${dir}. End that: chmod 700 ${dir}`]
}

/** Milliseconds that a short command may hold the folder before another process gives up. */
const patience = 10_000

/** Locks the folder for this server; throws CommandError with exit code 3 when another process holds it. */
export async function lockStateFolder(dir: string, disableRegistration: boolean): Promise<FolderLock> {
  const holder = { ...whoAmI(), disableRegistration }
  const deadline = Date.now() + patience
  for (;;) {
    try {
      return await lockFolder(dir, holder, { onLost: endAtOnce })
    } catch (error) {
      if (!(error instanceof FolderInUse)) throw lockError(dir, error)
      if (error.holder?.['command'] === undefined) throw inUse(dir, error)
      if (Date.now() > deadline) throw commandRuns(dir, error.holder, 'start kss again')
    }
    await sleep(50)
  }
}

/** What this process tells others about itself while it holds the folder. */
export function whoAmI(): Holder {
  return { pid: process.pid, version: readVersion(), since: new Date().toISOString() }
}

/** The error for a folder whose lock can be neither taken nor read. */
export function lockError(dir: string, error: unknown): CommandError {
  return new CommandError(`Cannot lock the folder ${dir}: ${(error as Error).message}.`, exitCodes.failure, {
    cause: error,
  })
}

function inUse(dir: string, error: FolderInUse): CommandError {
  const { pid = 'unknown', version = 'unknown', since = 'unknown' } = error.holder ?? {}
  return new CommandError(
    `The folder ${dir} is in use by another kss (process ${pid}, version ${version}, since ${since}). ` +
      'Stop that one, or choose another folder with --dir.',
    exitCodes.inUse,
    { cause: error },
  )
}

/** The error for a command that holds the folder for longer than others wait; `next` is what to do when it has ended. */
export function commandRuns(dir: string, { command, pid, since }: Holder, next: string): CommandError {
  return new CommandError(
    `The folder ${dir} is in use by ${command} (process ${pid}, since ${since}). Wait until that has ended, then ${next}.`,
    exitCodes.inUse,
  )
}

/**
 * Ends this process, which did not run for so long that another process took its folder. Without a graceful stop: that
 * would write files, and remove the log of the other process.
 */
export function endAtOnce(dir: string): void {
  console.error(`Another kss has the folder ${dir} by now, as this one did not run for 30 seconds.`)
  process.exit(exitCodes.inUse)
}

/** Durably: a power cut must not take all that is in it. */
async function makeFolder(dir: string): Promise<void> {
  await mkdir(dir, { mode: 0o700 })
  await syncFolder(dirname(dir))
}

/** Not mkdir's own `recursive`, which never ends where a folder refuses new ones with ENOENT, as /proc does. */
async function makeFolders(dir: string): Promise<void> {
  try {
    await makeFolder(dir)
  } catch (error) {
    if (hasCode(error, 'EEXIST') && (await stat(dir)).isDirectory()) return
    const parent = dirname(dir)
    if (!hasCode(error, 'ENOENT') || (await isThere(parent))) throw error
    await makeFolders(parent)
    await makeFolder(dir)
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await unlessAbsent(stat(path))) !== undefined
}

async function folderError(dir: string, error: NodeJS.ErrnoException): Promise<CommandError> {
  const { code = '' } = error
  const why: Record<string, string> = {
    EROFS: 'it is on a read-only file system',
    ENOTDIR: 'a part of its path is a file',
    EEXIST: 'it is a file',
    ENOENT: 'there can be no folder',
    ENOSPC: 'the disk is full',
  }
  const owner = ['EACCES', 'EPERM'].includes(code) ? await ownerOf(dir) : undefined
  const reason = owner ?? why[code] ?? error.message
  return new CommandError(
    `Cannot write to the folder ${dir}: ${reason}. Choose another one with --dir.`,
    exitCodes.failure,
    { cause: error },
  )
}

async function ownerOf(dir: string): Promise<string> {
  const owner = await stat(dir).catch(() => undefined)
  return owner && owner.uid !== process.getuid?.()
    ? `it belongs to user ${owner.uid}, and kss runs as ${process.getuid?.()}`
    : 'permission denied'
}
