import { join } from 'node:path'
import { CommandError } from '../command-error.ts'
import { makeFolder } from '../store/atomic-file.ts'
import type { OnFolder } from '../store/backup.ts'
import { backupFolder, backupName } from '../store/backup-files.ts'
import { format, markFormat, readFormat } from '../store/format.ts'
import { DamagedFile } from '../store/damaged-file.ts'
import { checkFolder } from '../store/trusted-file.ts'
import { openStateFolder } from './state-folder.ts'

/**
 * Before a state directory that this process has locked is opened. A backup is made before its format changes; what
 * keeps that from being made is told, and tried again at the next start. Throws CommandError for a newer format.
 */
export async function prepareFormat(dir: string, tell: (error: unknown) => void): Promise<void> {
  const found = await readFormatOf(dir)
  if (found === format) return
  try {
    if (found !== undefined) await backUp(dir, { what: `before-format-${format}` })
    await markFormat(dir)
  } catch (error) {
    tell(new Error(`Cannot make the backup before format ${format}: ${(error as Error).message}`, { cause: error }))
  }
}

export interface BackUpOptions {
  /** What it is for: a part of its name. */
  what?: string
  onFolder?: OnFolder
}

/** Makes a backup where nobody said where; resolves to its path. */
export async function backUp(dir: string, { what, onFolder }: BackUpOptions): Promise<string> {
  // What root makes there, the owner's kss could not use.
  await openStateFolder(dir)
  const { backupFiles, writeArchive } = await import('../store/backup.ts')
  const folder = backupFolder(dir)
  await checkFolder(folder)
  await makeFolder(folder)
  const path = join(folder, backupName(what))
  await writeArchive(backupFiles(dir, onFolder), path)
  return path
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
