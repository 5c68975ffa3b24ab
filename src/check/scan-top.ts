import { once } from 'node:events'
import { onWindows, replaceFile, setAside } from '../durable.ts'
import { parseObject, type DamagedFile } from '../damaged-file.ts'
import { hasCode, unlessAbsent } from '../error-code.ts'
import {
  bridgeFolder,
  consoleFolder,
  foreignFolders,
  mayBeUsers,
  operatorsName,
  sessionFileName,
  sessionsFolder,
} from '../store/file-store/files/folder-names.ts'
import { connectTo } from '../store/file-store/local-socket.ts'
import { parseRegistration } from '../store/file-store/files/registration-file.ts'
import {
  checkAccess,
  checkKind,
  checkStray,
  listEntries,
  listTop,
  lookAt,
  lookAtEach,
  readText,
  remove,
  setMode,
  type Entry,
  type Scan,
} from './scan-entries.ts'
import { checkBridge } from './scan-bridge.ts'
import { checkLogFiles, logFolders } from './scan-log.ts'

/** A folder that may be a user's, whatever is in it. */
function isUserFolder({ name, stats }: Entry): boolean {
  return stats.isDirectory() && mayBeUsers(name)
}

/** The names of the folders that may be users', in their order; of a million accounts nothing else is kept. */
export async function listUserFolders(scan: Scan): Promise<string[]> {
  return (await listTop(scan, (name, isFolder) => isFolder && mayBeUsers(name))).toSorted()
}

/** Finds what is wrong at the top of the state directory. Resolves to the files of the log. */
export async function checkTop(scan: Scan): Promise<Entry[]> {
  await checkOwnMode(scan)
  const log: Entry[] = []
  const names = await listTop(scan, (name, isFolder) => !isFolder || !mayBeUsers(name))
  for (const entry of await lookAtEach(scan, '', names)) {
    const { name, stats } = entry
    // In the order of their names, which is that of their age.
    if (logFolders.includes(name)) log.push(...(await checkLogFiles(scan, entry)))
    else if (name === '.backups') await checkBackups(scan, entry)
    else if (name === bridgeFolder) await checkBridge(scan, entry)
    else if (name === consoleFolder) await checkConsole(scan, entry)
    else if (name === '.self-signed.pem') checkSelfSigned(scan, entry)
    else if (name === '.registration.json') await checkText(scan, entry, checkRegistration)
    else if (name === '.format') await checkText(scan, entry, checkFormat)
    else if (name.startsWith('.lock-') && stats.isSocket()) await checkLock(scan, entry)
    else if (name === '.lock' && stats.isDirectory()) continue // the lock of the server, or of this check
    else if (!isUserFolder(entry) && !foreignFolders.has(name)) checkOther(scan, entry)
  }
  return log
}

/** Others who may write to the state directory could replace an auth.json. Whether they may read is the operator's choice. */
async function checkOwnMode(scan: Scan): Promise<void> {
  const self = await lookAt(scan, '')
  if (onWindows || !self?.stats.isDirectory() || (self.stats.mode & 0o002) === 0) return
  const mode = self.stats.mode & 0o777 & ~0o022
  scan.found.push({
    path: '.',
    problem: 'is a folder that every user of this machine may write to',
    repair: 'can be written to by its owner alone',
    damage: true,
    mend: () => setMode(self.path, mode),
  })
}

function checkSelfSigned(scan: Scan, entry: Entry): void {
  if (checkKind(scan, entry, 'file')) checkAccess(scan, entry, true)
}

function checkOther(scan: Scan, entry: Entry): void {
  if (entry.stats.isSymbolicLink()) checkKind(scan, entry, 'folder')
  else checkStray(scan, entry)
}

async function checkText(
  scan: Scan,
  entry: Entry,
  check: (scan: Scan, entry: Entry, text: string) => void,
): Promise<void> {
  if (!checkKind(scan, entry, 'file')) return
  checkAccess(scan, entry)
  const text = await readText(scan, entry)
  if (text !== undefined) check(scan, entry, text)
}

function checkRegistration({ found }: Scan, { at, path }: Entry, text: string): void {
  try {
    parseRegistration(text, undefined, path)
  } catch (error) {
    found.push({
      path: at,
      problem: (error as DamagedFile).reason,
      repair: 'is set aside; registration is closed',
      advice: 'decide who may register: kss registration open',
      damage: true,
      mend: async () => {
        await unlessAbsent(setAside(path))
        await replaceFile(path, '{"open":false,"invited":[]}\n')
      },
    })
  }
}

function checkFormat({ found }: Scan, { at, path }: Entry, text: string): void {
  try {
    if (Number.isInteger(parseObject(text, path)['format'])) return
  } catch {
    // Told below.
  }
  const advice = 'write {"format":1} into it, unless a newer kss used this directory'
  found.push({ path: at, problem: 'does not say what format the directory has', advice, damage: true })
}

async function checkBackups(scan: Scan, folder: Entry): Promise<void> {
  if (!checkKind(scan, folder, 'folder')) return
  checkAccess(scan, folder, true)
  for (const entry of await listEntries(scan, folder.at)) {
    if (!entry.name.endsWith('.tar.gz') || entry.name.startsWith('.')) checkStray(scan, entry)
    else if (checkKind(scan, entry, 'file')) checkAccess(scan, entry, true)
  }
}

/** What the console keeps. Sessions that have ended are removed by the server. */
async function checkConsole(scan: Scan, folder: Entry): Promise<void> {
  if (!checkKind(scan, folder, 'folder')) return
  checkAccess(scan, folder, true)
  for (const entry of await listEntries(scan, folder.at)) {
    if (entry.name === operatorsName) await checkText(scan, entry, () => undefined)
    else if (entry.name !== sessionsFolder) checkStray(scan, entry)
    else if (checkKind(scan, entry, 'folder')) await checkSessions(scan, entry)
  }
}

async function checkSessions(scan: Scan, folder: Entry): Promise<void> {
  checkAccess(scan, folder, true)
  for (const entry of await listEntries(scan, folder.at)) {
    if (!sessionFileName.test(entry.name)) checkStray(scan, entry)
    else if (checkKind(scan, entry, 'file')) checkAccess(scan, entry, true)
  }
}

async function checkLock({ found }: Scan, { at, path }: Entry): Promise<void> {
  if (!(await isAbandoned(path))) return
  const problem = 'is the lock of a kss that is gone'
  found.push({ path: at, problem, repair: 'is removed', damage: false, mend: () => remove(path) })
}

async function isAbandoned(path: string): Promise<boolean> {
  const socket = connectTo(path)
  const abandoned = await once(socket, 'connect').then(
    () => false,
    (error: unknown) => hasCode(error, 'ECONNREFUSED'),
  )
  socket.destroy()
  return abandoned
}
