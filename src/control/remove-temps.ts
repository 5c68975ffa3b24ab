import { join } from 'node:path'
import { backupsName } from '../backup/backup-files.ts'
import { logFolder } from '../store/file-store/files/folder-names.ts'
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
