import { readdir, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { hasCode, unlessAbsent } from '../error-code.ts'

/** In the state directory. */
export const backupsName = '.backups'

/** Where backups are when nobody says where. */
export function backupFolder(dir: string): string {
  return join(dir, backupsName)
}

/** A name that sorts by time; `what` says what it is for. */
export function backupName(what = ''): string {
  return `kss-${new Date().toISOString().slice(0, 19).replaceAll(':', '-')}${what && `-${what}`}.tar.gz`
}

/** The names that backupName makes without `what`. */
const ownName = /^kss-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.tar\.gz$/

/**
 * Removes the archives beside one that was just made, but for the newest: with it `keep` stay. Only files that kss has
 * named go. Resolves to their paths.
 */
export async function removeOldBackups(made: string, keep: number): Promise<string[]> {
  const folder = dirname(made)
  const entries = await readdir(folder, { withFileTypes: true })
  const others = entries.filter((entry) => entry.isFile() && ownName.test(entry.name) && entry.name !== basename(made))
  const newestFirst = others
    .map(({ name }) => name)
    .toSorted()
    .toReversed()
  const old = newestFirst.slice(keep - 1).map((name) => join(folder, name))
  for (const path of old) await rm(path, { force: true })
  return old
}

/** An archive in a folder. */
export interface BackupFile {
  path: string
  bytes: number
  /** Seconds since 1970. */
  created: number
}

/** The archives of a folder, the newest last. */
export async function listBackups(folder: string): Promise<BackupFile[]> {
  const listed = await readdir(folder).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  })
  const names = listed.filter((name) => /^[^.].*\.(tar\.gz|tgz)$/.test(name))
  const backups = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name)
      const stats = await unlessAbsent(stat(path))
      return stats && { path, bytes: stats.size, created: Math.floor(stats.mtimeMs / 1000) }
    }),
  )
  return backups.filter((backup) => backup !== undefined).toSorted((one, other) => one.created - other.created)
}
