import type { Dirent } from 'node:fs'
import { opendir } from 'node:fs/promises'

/** The write-ahead log, in the state directory. */
export const logFolder = '.wal'

/** The journal of kss 0.1, which a start takes over. */
export const journalFolder = '.journal'

/** What the web console keeps, in the state directory. */
export const consoleFolder = '.console'

/** What the Audiobookshelf bridge keeps of all accounts, in the state directory. */
export const bridgeFolder = '.audiobookshelf'

/** What it keeps of an account, in the account's folder. */
export const bridgeAccountFolder = 'audiobookshelf'

/** In the bridge's folder: its settings, which are secret and in no backup, and folders of JSON files. */
export const bridgeNames = { settings: 'settings.json', folders: ['outbox', 'books'] } as const

/** In the folder of the console. */
export const sessionsFolder = 'sessions'

/** In the folder of the console: the names of the operators. */
export const operatorsName = 'operators.json'

/** A session's file is named after the SHA-256 of its id. */
export const sessionFileName = /^([0-9a-f]{64})\.json$/

/** Not even a stray one is a user's: what mkfs leaves at the top of a disk. */
export const foreignFolders = new Set(['lost+found'])

/** Entries of a folder that are read at a time. */
const bufferSize = 1024

/** Whether a folder of that name in the state directory may be a user's. */
export function mayBeUsers(name: string): boolean {
  return !name.startsWith('.') && !foreignFolders.has(name)
}

/** What a folder holds, in no order and in bounded memory: a state directory may have a million entries. */
export async function* eachEntry(folder: string): AsyncGenerator<Dirent> {
  yield* await opendir(folder, { bufferSize })
}

/** The names of the state directory's folders that may be users', and of links to folders, in no order. */
export async function* eachUserFolder(dir: string): AsyncGenerator<string> {
  for await (const entry of eachEntry(dir)) {
    if (!entry.isFile() && mayBeUsers(entry.name)) yield entry.name
  }
}

/** How many folders of the state directory may be users'. Stops counting above the limit, with one more than that. */
export async function countUserFolders(dir: string, limit: number): Promise<number> {
  const folders = eachUserFolder(dir)
  for (let count = 0; count <= limit; count += 1) if ((await folders.next()).done) return count
  await folders.return(undefined)
  return limit + 1
}
