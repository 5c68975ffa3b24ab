import { setAside } from '../durable.ts'
import { unlessAbsent } from '../error-code.ts'
import { bridgeNames } from '../store/file-store/files/folder-names.ts'
import { checkAccess, checkKind, checkStray, listEntries, readText, type Entry, type Scan } from './scan-entries.ts'

/** Checks the files of the Audiobookshelf bridge at the top of the state directory. */
export async function checkBridge(scan: Scan, folder: Entry): Promise<void> {
  if (!checkKind(scan, folder, 'folder')) return
  checkAccess(scan, folder, true)
  for (const entry of await listEntries(scan, folder.at)) {
    if (bridgeNames.folders.some((name) => name === entry.name)) await checkJsonFolder(scan, entry)
    else if (entry.name === bridgeNames.settings) await checkJson(scan, entry)
    else checkStray(scan, entry)
  }
}

/** Checks a folder of the bridge's JSON and JSON Lines files, as that of an account. */
export async function checkJsonFolder(scan: Scan, folder: Entry): Promise<void> {
  if (!checkKind(scan, folder, 'folder')) return
  checkAccess(scan, folder, true)
  for (const entry of await listEntries(scan, folder.at)) {
    if (/^[^.].*\.json$/.test(entry.name)) await checkJson(scan, entry)
    else if (!/^[^.].*\.jsonl$/.test(entry.name)) checkStray(scan, entry)
    else if (checkKind(scan, entry, 'file')) checkAccess(scan, entry, true)
  }
}

async function checkJson(scan: Scan, entry: Entry): Promise<void> {
  if (!checkKind(scan, entry, 'file')) return
  checkAccess(scan, entry, true)
  const text = await readText(scan, entry)
  if (text === undefined || isJson(text)) return
  scan.found.push({
    path: entry.at,
    problem: 'is no JSON',
    repair: 'is set aside: the Audiobookshelf bridge makes another one',
    damage: true,
    mend: () => unlessAbsent(setAside(entry.path)),
  })
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
