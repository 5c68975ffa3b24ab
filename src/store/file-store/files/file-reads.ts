import { readdirSync, stat, statSync, type Dirent, type Stats } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { promisify } from 'node:util'
import { ifPresent, unlessAbsent } from '../../../error-code.ts'
import { readTrusted, readTrustedSync } from '../../../trusted-file.ts'
import type { Now } from '../../store.ts'

/** How files of accounts are read; undefined, or nothing, when there are none. */
export interface FileReads {
  /** Throws DamagedFile, as openTrusted does. */
  text: (path: string) => Now<string | undefined>
  stat: (path: string) => Now<Stats | undefined>
  names: (folder: string) => Now<string[]>
  /** Also of the folders in it. */
  entries: (folder: string) => Now<Dirent[]>
}

/** In half the time of fs.promises: a list looks at each file of an account. */
const statInThread: (path: string) => Promise<Stats> = promisify(stat)

/** For servers, where readers wait: never on the event loop, as a disk may hang. */
export const threadReads: FileReads = {
  text: (path) => unlessAbsent(readTrusted(path)),
  stat: (path) => unlessAbsent(statInThread(path)),
  names: async (folder) => (await unlessAbsent(readdir(folder))) ?? [],
  entries: async (folder) => (await unlessAbsent(readdir(folder, { withFileTypes: true, recursive: true }))) ?? [],
}

/** For commands: nobody else waits in their process, and through the thread pool it takes several times as long. */
export const blockingReads: FileReads = {
  text: (path) => ifPresent(() => readTrustedSync(path, 'utf8')),
  stat: (path) => ifPresent(() => statSync(path)),
  names: (folder) => ifPresent(() => readdirSync(folder)) ?? [],
  entries: (folder) => ifPresent(() => readdirSync(folder, { withFileTypes: true, recursive: true })) ?? [],
}
