import { join } from 'node:path'
import { CommandError } from '../command-error.ts'
import { makeFolder } from '../durable.ts'
import { backupFolder, backupName } from '../backup/backup-files.ts'
import { format, logFormat, markFormat, readFormat } from '../store/file-store/files/format.ts'
import { DamagedFile } from '../damaged-file.ts'
import { checkFolder } from '../trusted-file.ts'
import { openStateFolder } from './state-folder.ts'

/** Makes the backup before the format changes, and marks the new format. A failure is reported, and does not reject. */
type ChangeFormat = (signal?: AbortSignal) => Promise<void>

/**
 * Prepares a state directory that this process has locked for opening. A backup is made before its format changes; if that
 * fails, it is reported, and tried again at the next start. Throws CommandError for a newer format.
 */
export async function prepareFormat(dir: string, tell: (error: unknown) => void): Promise<void> {
  await (
    await planFormat(dir, tell)
  )?.()
}

/**
 * Like prepareFormat, but returns the change of the format, which may take long, for the caller to run: until it is done
 * no existing file may change. Undefined when there is nothing to back up.
 */
export async function planFormat(dir: string, tell: (error: unknown) => void): Promise<ChangeFormat | undefined> {
  const found = await readFormatOf(dir)
  if (found === format || found === logFormat) return undefined
  const change: ChangeFormat = async (signal) => {
    try {
      if (found !== undefined) await backUp(dir, `before-format-${format}`, signal)
      await markFormat(dir)
    } catch (error) {
      if (signal?.aborted) return
      tell(new Error(`Cannot make the backup before format ${format}: ${(error as Error).message}`, { cause: error }))
    }
  }
  if (found !== undefined) return change
  await change()
  return undefined
}

/** `what` says what it is for. */
async function backUp(dir: string, what: string, signal?: AbortSignal): Promise<void> {
  const { backupFiles, writeArchive } = await import('../backup/backup.ts')
  const path = join(await makeBackupFolder(dir), backupName(what))
  await writeArchive(backupFiles(dir), path, signal)
}

/** Makes the folder where backups are when nobody says where; resolves to its path. Throws CommandError. */
export async function makeBackupFolder(dir: string): Promise<string> {
  // What root makes there, the owner's kss could not use.
  await openStateFolder(dir)
  const folder = backupFolder(dir)
  await checkFolder(folder)
  await makeFolder(folder)
  return folder
}

async function readFormatOf(dir: string): Promise<number | undefined> {
  try {
    const found = await readFormat(dir)
    if (found === undefined || found <= logFormat) return found
    if (found > logFormat) {
      throw new CommandError(
        `The folder ${dir} has format ${found}, and this kss knows only ${logFormat}. Install a newer kss-server.`,
      )
    }
    throw new DamagedFile(join(dir, '.format'), 'has no number')
  } catch (error) {
    if (!(error instanceof DamagedFile)) throw error
    throw new CommandError(`${error.message}. Take it from a backup, or write {"format":${format}} into it.`)
  }
}
