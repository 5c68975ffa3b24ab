import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { tempPrefix } from '../durable.ts'
import { backupsName } from '../backup/backup-files.ts'
import { unlessAbsent } from '../error-code.ts'
import { mayBeUsers } from '../store/file-store/files/folder-names.ts'

/**
 * Removes the temps that a crash left in the state directory before `started` (milliseconds since 1970). Those of now
 * come and go meanwhile, and so do users.
 */
export async function removeTemps(dir: string, started: number): Promise<void> {
  const entries = (await unlessAbsent(readdir(dir, { withFileTypes: true }))) ?? []
  for (const entry of entries) {
    const path = join(dir, entry.name)
    if (entry.name.startsWith(tempPrefix)) {
      const stats = await unlessAbsent(stat(path))
      if (stats && stats.mtimeMs < started) await rm(path, { recursive: true, force: true })
    } else if (entry.isDirectory() && (entry.name === backupsName || mayBeUsers(entry.name)))
      await removeTemps(path, started)
  }
}
