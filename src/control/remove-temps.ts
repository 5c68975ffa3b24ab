import { join } from 'node:path'
import { backupsName } from '../backup/backup-files.ts'
import { eachUserFolder, logFolder } from '../store/file-store/files/folder-names.ts'
import { removeTempsFrom, removeTempsInside } from '../store/file-store/files/left-over-temps.ts'

/**
 * Removes the temps that a crash left at the top of the state directory, in the log and among the backups before `started`
 * (milliseconds since 1970). Those of now come and go meanwhile. Recovery cleans the folders of users that the log names;
 * `kss check` finds temps that are elsewhere.
 */
export async function removeTemps(dir: string, started: number): Promise<void> {
  await removeTempsFrom(dir, started)
  await removeTempsInside(join(dir, backupsName), started)
  await removeTempsInside(join(dir, logFolder), started)
}

/** The same in the folder of each account too: an import or a restore that was killed leaves temps there, and no log. */
export async function removeAllTemps(dir: string, started: number): Promise<void> {
  await removeTemps(dir, started)
  for await (const name of eachUserFolder(dir)) await removeTempsInside(join(dir, name), started)
}
