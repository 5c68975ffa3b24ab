import { join } from 'node:path'
import { CommandError } from '../command-error.ts'
import { makeFolder } from '../durable.ts'
import { backupFolder, backupName } from '../backup/backup-files.ts'
import { format, markFormat, readFormat } from '../store/file-store/files/format.ts'
import { DamagedFile } from '../damaged-file.ts'
import { checkFolder } from '../trusted-file.ts'
import { openStateFolder } from './state-folder.ts'

/**
 * Before a state directory that this process has locked is opened. A backup is made before its format changes; what
 * keeps that from being made is told, and tried again at the next start. Throws CommandError for a newer format.
 */
export async function prepareFormat(dir: string, tell: (error: unknown) => void): Promise<void> {
  const found = await readFormatOf(dir)
  if (found === format) return
  try {
    if (found !== undefined) await backUp(dir, `before-format-${format}`)
    await markFormat(dir)
  } catch (error) {
    tell(new Error(`Cannot make the backup before format ${format}: ${(error as Error).message}`, { cause: error }))
  }
}

/** `what` says what it is for. */
async function backUp(dir: string, what: string): Promise<void> {
  const { backupFiles, writeArchive } = await import('../backup/backup.ts')
  const path = join(await makeBackupFolder(dir), backupName(what))
  await writeArchive(backupFiles(dir), path)
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
    if (found === undefined || found <= format) return found
    if (found > format) {
      throw new CommandError(
        `The folder ${dir} has format ${found}, and this kss knows only ${format}. Install a newer kss-server.`,
      )
    }
    throw new DamagedFile(join(dir, '.format'), 'has no number')
  } catch (error) {
    if (!(error instanceof DamagedFile)) throw error
    throw new CommandError(`${error.message}. Take it from a backup, or write {"format":${format}} into it.`)
  }
}
