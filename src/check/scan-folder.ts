import type { Mendable } from '../store/finding.ts'
import { checkAuth, checkName, type DiscardPushes } from './scan-auth.ts'
import { checkDocuments, isRecordName } from './scan-documents.ts'
import { checkJsonFolder } from './scan-bridge.ts'
import { beginScan, checkAccess, checkStray, listEntries, lookAt, type ScanOptions } from './scan-entries.ts'
import { bridgeAccountFolder } from '../store/file-store/files/folder-names.ts'
import { authFile } from '../store/file-store/files/auth-file.ts'

export interface FolderOptions extends ScanOptions {
  discardPushes?: DiscardPushes
}

/** Whether kss keeps a file or folder of that name in a user's folder. */
function isKnown(name: string): boolean {
  return isRecordName(name) || name === 'history' || name === authFile
}

const nobodyElse: DiscardPushes = () => Promise.resolve()

/** Finds what is wrong in a user's folder, in the order in which it is to be mended; nothing when the folder is absent. */
export async function checkFolder(
  dir: string,
  folder: string,
  { discardPushes = nobodyElse, ...options }: FolderOptions,
): Promise<Mendable[]> {
  const scan = await beginScan(dir, options)
  const entry = await lookAt(scan, folder)
  if (!entry?.stats.isDirectory()) return []
  const entries = await listEntries(scan, folder)
  if (scan.found.length > 0) {
    // The folder cannot be listed, so nothing else can be said of it.
    checkAccess(scan, entry)
    return scan.found
  }
  if (entries.some(({ name }) => isKnown(name))) {
    checkAccess(scan, entry)
    const username = await checkAuth(scan, folder, entries)
    await checkDocuments(scan, folder, entries)
    for (const each of entries) {
      if (each.name === bridgeAccountFolder) await checkJsonFolder(scan, each)
      else if (!isKnown(each.name)) checkStray(scan, each)
    }
    // Last, since mending this renames the folder.
    if (username !== undefined) await checkName(scan, folder, username, discardPushes)
  } else if (await lookAt(scan, folder)) checkStray(scan, entry)
  // Else it was removed meanwhile.
  return (await lookAt(scan, folder)) ? scan.found : []
}
