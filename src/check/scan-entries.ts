import { constants, type Stats } from 'node:fs'
import { chmod, lstat, open, readdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { onWindows, setAside, syncFolder, tempPrefix } from '../durable.ts'
import { unlessAbsent } from '../error-code.ts'
import { eachEntry } from '../store/file-store/files/folder-names.ts'
import type { Mendable } from '../store/finding.ts'
import { linkReason } from '../trusted-file.ts'

// Windows has neither of the first two: undefined counts as 0.
const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants

export interface ScanOptions {
  /** A kss has the directory: temps younger than a minute are its. True unless said otherwise. */
  running?: boolean
  /** The user id that all should belong to; that of the state directory unless said otherwise. */
  owner?: number
}

/** The state of a scan. `found` is in the order in which the findings are to be mended. */
export interface Scan {
  dir: string
  running: boolean
  owner: number
  found: Mendable[]
}

/** Something in a folder. */
export interface Entry {
  name: string
  path: string
  /** The path in the state directory, as findings show it. */
  at: string
  stats: Stats
}

/** Milliseconds after which no process uses a temporary file any more. */
export const tempAge = 60_000

/** Rejects when there is no state directory. */
export async function beginScan(dir: string, { running = true, owner }: ScanOptions): Promise<Scan> {
  return { dir, running, owner: owner ?? (await stat(dir)).uid, found: [] }
}

/** What is in the folder, by name; symbolic links are not followed. */
export async function listEntries(scan: Scan, at: string): Promise<Entry[]> {
  return await lookAtEach(scan, at, (await orTell(scan, at, readdir(join(scan.dir, at)))) ?? [])
}

/** The names at the top of the state directory that are wanted, in no order: there may be a million. */
export async function listTop(scan: Scan, isWanted: (name: string, isFolder: boolean) => boolean): Promise<string[]> {
  const list = async (): Promise<string[]> => {
    const names: string[] = []
    for await (const entry of eachEntry(scan.dir)) {
      if (isWanted(entry.name, entry.isDirectory())) names.push(entry.name)
    }
    return names
  }
  return (await orTell(scan, '', list())) ?? []
}

/** The entries of these names that are still in the folder, by name; symbolic links are not followed. */
export async function lookAtEach(scan: Scan, at: string, names: string[]): Promise<Entry[]> {
  const entries: Entry[] = []
  for (const name of names.toSorted()) {
    const entry = await lookAt(scan, at === '' ? name : `${at}/${name}`)
    if (entry) entries.push(entry)
  }
  return entries
}

/** Undefined when nothing is at the path any more, or its state cannot be read, which is added to the findings. */
export async function lookAt(scan: Scan, at: string): Promise<Entry | undefined> {
  const path = join(scan.dir, at)
  const stats = await orTell(scan, at, lstat(path))
  return stats && { name: at.slice(at.lastIndexOf('/') + 1), path, at, stats }
}

/** The text of the file. Undefined when it is gone, or cannot be read, which is added to the findings. */
export async function readText(scan: Scan, entry: Entry): Promise<string | undefined> {
  return (await readBytes(scan, entry))?.toString()
}

/** Like readText, but the bytes of the file. */
export async function readBytes(scan: Scan, { path, at }: Entry): Promise<Buffer | undefined> {
  return await orTell(scan, at, readRegular(path))
}

/** Whether the entry is a file, or a folder, as wanted; else adds a finding. */
export function checkKind({ found }: Scan, { at, path, stats }: Entry, wanted: 'file' | 'folder'): boolean {
  if (wanted === 'file' ? stats.isFile() : stats.isDirectory()) return true
  if (stats.isSymbolicLink()) {
    const advice = `put the ${wanted} itself in its place`
    found.push({ path: at, problem: linkReason, advice, damage: true })
  } else {
    const mend = (): Promise<void> => unlessAbsent(setAside(path))
    const problem = `is not a ${wanted}`
    found.push({ path: at, problem, repair: 'is set aside', damage: true, mend, obstacle: true })
  }
  return false
}

/** Adds a finding for another owner, and for a mode that locks kss out or lets others in. `secret`: others must not read it. */
export function checkAccess({ found, owner }: Scan, { at, path, stats }: Entry, secret = false): void {
  const { uid } = stats
  const [mode, wanted] = [stats.mode & 0o777, stats.isDirectory() ? 0o700 : 0o600]
  if (uid !== owner) {
    const problem = `belongs to user ${uid}, not to user ${owner} as the state directory does`
    found.push({ path: at, problem, advice: `let it belong to user ${owner} (chown)`, damage: true })
  } else if (!onWindows && ((mode & wanted) !== wanted || (mode & 0o077) !== 0)) {
    const damage = (mode & wanted) !== wanted || (mode & (secret ? 0o077 : 0o022)) !== 0
    found.push({
      path: at,
      problem: `has mode ${octal(mode)} instead of ${octal(wanted)}`,
      repair: `gets mode ${octal(wanted)}`,
      damage,
      mend: () => setMode(path, wanted),
      obstacle: true,
    })
  }
}

/** Adds a finding for an entry that kss neither reads nor writes in this folder. */
export function checkStray(scan: Scan, { name, path, at, stats }: Entry): void {
  const { found, running } = scan
  const setAsideAt = /\.corrupt-(\d{1,15})$/.exec(name)?.[1]
  if (name.startsWith(tempPrefix)) {
    if (running && Date.now() - stats.mtimeMs < tempAge) return
    const problem = 'is a temporary file that was left over'
    found.push({ path: at, problem, repair: 'is removed', damage: false, mend: () => remove(path) })
  } else if (setAsideAt !== undefined) {
    const problem = `was set aside on ${new Date(Number(setAsideAt)).toISOString()}, because it was damaged`
    found.push({ path: at, problem, advice: 'remove it when you do not need it', damage: false })
  } else {
    const advice = 'kss does not read it: move it elsewhere'
    found.push({ path: at, problem: 'is nothing that kss knows', advice, damage: false })
  }
}

/** Gives the mode; throws when the file system does not keep it. */
export async function setMode(path: string, wanted: number): Promise<void> {
  await unlessAbsent(chmod(path, wanted))
  const stats = await unlessAbsent(lstat(path))
  /* c8 ignore next -- exFAT, SMB, a folder of the host in a VM */
  if (stats && (stats.mode & 0o777) !== wanted) throw new Error('this file system keeps no modes')
}

/** Durably. */
export async function remove(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true })
  await unlessAbsent(syncFolder(dirname(path)))
}

/** What the disk says; undefined when there is nothing, or it says why not: then that is found. */
async function orTell<T>({ found }: Scan, at: string, result: Promise<T>): Promise<T | undefined> {
  try {
    return await unlessAbsent(result)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const advice = 'see that the disk is well and that this user may read it; or restore it from a backup'
    found.push({ path: at === '' ? '.' : at, problem: `cannot be read: ${code}`, advice, damage: true })
    return undefined
  }
}

/** Does not follow a symbolic link, nor wait for a writer of a pipe, that somebody put there meanwhile. */
async function readRegular(path: string): Promise<Buffer> {
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    return await file.readFile()
  } finally {
    await file.close()
  }
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}
