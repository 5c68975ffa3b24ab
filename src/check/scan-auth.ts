import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { kssCommand } from '../command-line.ts'
import { renameFile, replaceFile, setAside, syncFolder } from '../durable.ts'
import type { DamagedFile } from '../damaged-file.ts'
import { unlessAbsent } from '../error-code.ts'
import { fromFileName, hasRawFileName, toFileName } from '../store/file-store/files/file-name.ts'
import { quote } from '../store/finding.ts'
import { checkAccess, lookAt, readText, type Entry, type Scan } from './scan-entries.ts'
import { linkReason } from '../trusted-file.ts'
import { authFile, parseUser } from '../store/file-store/files/auth-file.ts'

/** Drops the pushes of an earlier account with this folder, before another account gets it. */
export type DiscardPushes = (folder: string) => Promise<void>

/** Finds an auth.json that is not there or holds no credential. Resolves to the user's name; undefined without one. */
export async function checkAuth(scan: Scan, folder: string, entries: Entry[]): Promise<string | undefined> {
  const entry = entries.find(({ name }) => name === authFile)
  if (!entry) await tellUnusable(scan, folder, 'is missing')
  else if (entry.stats.isSymbolicLink()) {
    const advice = 'put the file itself in its place'
    scan.found.push({ path: entry.at, problem: linkReason, advice, damage: true })
  } else if (!entry.stats.isFile()) await tellUnusable(scan, folder, 'is not a file')
  else {
    checkAccess(scan, entry, true)
    const { username, reason } = await readUser(scan, entry)
    if (reason !== undefined) await tellUnusable(scan, folder, reason)
    return username
  }
  return undefined
}

/** Finds a folder that is not where its user is looked for. */
export async function checkName(
  scan: Scan,
  folder: string,
  username: string,
  discardPushes: DiscardPushes,
): Promise<void> {
  const right = toFileName(username)
  const rival = await rivalOf(scan, folder, username)
  if (folder === right) return
  if (rival !== undefined) {
    const advice = `keep one of them: move what you need to ${rival}, then remove ${folder}`
    const problem = `is of the user ${quote(username)}, as is the folder ${rival}`
    scan.found.push({ path: folder, problem, advice, damage: true })
  } else if (folder !== username || !hasRawFileName(username)) await tellMisnamed(scan, folder, username, discardPushes)
}

async function tellMisnamed(scan: Scan, folder: string, username: string, discardPushes: DiscardPushes): Promise<void> {
  const { dir, found } = scan
  const right = toFileName(username)
  const problem = `is of the user ${quote(username)}, whose folder is ${right}`
  const mend = async (): Promise<void> => {
    await discardPushes(join(dir, right))
    await renameFile(join(dir, folder), join(dir, right))
    await syncFolder(dir)
  }
  if (await isElsewhere(scan, right, folder)) {
    const advice = `${right} is there too: make room, or give this user another name in auth.json`
    found.push({ path: folder, problem, advice, damage: true })
  } else found.push({ path: folder, problem, repair: `is renamed to ${right}`, damage: true, mend })
}

/** Another folder of the same user; undefined when there is none. */
async function rivalOf(scan: Scan, folder: string, username: string): Promise<string | undefined> {
  const isRaw = hasRawFileName(username) && Buffer.byteLength(username) <= 255
  for (const other of [toFileName(username), ...(isRaw ? [username] : [])]) {
    if (!(await isElsewhere(scan, other, folder)) || !(await lookAt(scan, other))?.stats.isDirectory()) continue
    const entry = await lookAt(scan, `${other}/${authFile}`)
    if (entry && (await readUser({ ...scan, found: [] }, entry)).username === username) return other
  }
  return undefined
}

/** Whether `other` exists and is not the folder itself, as it may be on a file system that folds case. */
async function isElsewhere(scan: Scan, other: string, folder: string): Promise<boolean> {
  const [one, two] = [await lookAt(scan, other), await lookAt(scan, folder)]
  return one !== undefined && one.stats.ino !== two?.stats.ino
}

/** The user name in the credential, or the reason why it is damaged; neither when it cannot be read. */
async function readUser(scan: Scan, entry: Entry): Promise<{ username?: string; reason?: string }> {
  const text = await readText(scan, entry)
  if (text === undefined) return {}
  try {
    return { username: parseUser(text, entry.path).username }
  } catch (error) {
    return { reason: (error as DamagedFile).reason }
  }
}

async function tellUnusable(scan: Scan, folder: string, problem: string): Promise<void> {
  const { dir, found } = scan
  const at = `${folder}/${authFile}`
  const username = nameOf(folder)
  const rival = username === undefined ? undefined : await rivalOf(scan, folder, username)
  if (username === undefined || rival !== undefined) {
    const advice =
      rival === undefined
        ? 'restore it from a backup: nothing else tells whose folder this is'
        : `the user’s folder is ${rival}: move what you need there, then remove ${folder}`
    found.push({ path: at, problem, advice, damage: true })
    return
  }
  found.push({
    path: at,
    problem,
    repair:
      problem === 'is missing'
        ? `is made for the user ${quote(username)}, and keeps the account locked`
        : `is set aside; a new one, of the user ${quote(username)}, keeps the account locked`,
    advice: `set a password: ${kssCommand('user passwd', username)}, then ${kssCommand('user enable', username)}`,
    damage: true,
    mend: () => replaceAuth(join(dir, at), username),
  })
}

/** The name that the folder's name stands for; undefined when it is a hash. */
function nameOf(folder: string): string | undefined {
  const isHash = /^~[0-9a-f]{64}$/.test(folder)
  return fromFileName(folder) ?? (hasRawFileName(folder) && !isHash ? folder : undefined)
}

async function replaceAuth(path: string, username: string): Promise<void> {
  await unlessAbsent(setAside(path))
  const fields = { 'x-auth-user': username, 'x-auth-key': randomBytes(32).toString('hex'), disabled: true }
  await replaceFile(path, `${JSON.stringify(fields)}\n`)
}
