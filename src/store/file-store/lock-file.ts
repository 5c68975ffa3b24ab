import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { lstat, mkdir, open, readdir, rename, rm, rmdir, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { tempPath } from '../../durable.ts'
import { hasCode, unlessAbsent } from '../../error-code.ts'
import { FolderInUse, type Holder } from './folder-in-use.ts'
import { judge, ownIdentity, type ProcessIdentity } from './process-identity.ts'

/*
 * The lock where the file system has no sockets: a folder `.lock` with one file, whose name is new for each lock. It
 * says which process holds the folder; its modification time is the heartbeat.
 * - Taking: the folder is made under another name, whole, and renamed. That fails while `.lock` has a file, so of any
 *   number one wins, on network file systems too.
 * - Taking over: the file of a dead process is removed, by its own name, so that nobody removes a newer lock by
 *   mistake. `.lock` is empty then, and free.
 * - Dead is a process that this machine knows to have ended, or whose heartbeat stands still for 30 seconds of the
 *   clock of the process that looks on: the clocks of two machines are never compared.
 */

const lockName = '.lock'

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants

const beatMs = 5000
const lookMs = 1000
const looks = 30

/** Resolves after the milliseconds; with `ref: false` the process may end meanwhile. */
export type Sleep = (ms: number, options?: { ref: boolean }) => Promise<unknown>

export interface LockFileOptions {
  sleep?: Sleep
  /** Called when another process took the folder, because this one did not run for 30 seconds: it must write no more. */
  onLost?: (dir: string) => void
}

const realSleep: Sleep = (ms, options) => setTimeout(ms, undefined, options)

/** Takes the lock of the folder. Resolves to what releases it; throws FolderInUse. */
export async function takeLockFile(
  dir: string,
  holder: Holder,
  { sleep = realSleep, onLost }: LockFileOptions = {},
): Promise<() => Promise<void>> {
  const [lock, token, temp] = [join(dir, lockName), randomBytes(8).toString('hex'), tempPath(dir)]
  try {
    await mkdir(temp, { mode: 0o700 })
    await writeFile(join(temp, token), JSON.stringify({ ...(await ownIdentity()), holder }), {
      mode: 0o600,
      flag: 'wx',
    })
    while (!(await publish(temp, lock))) await clearLockFile(dir, sleep)
  } catch (error) {
    await rm(temp, { recursive: true, force: true })
    throw error
  }
  const { dev, ino } = await stat(dir)
  let isReleased = false
  const beat = async (): Promise<void> => {
    while (!isReleased) {
      await sleep(beatMs, { ref: false })
      const now = new Date()
      const error: unknown = await utimes(join(lock, token), now, now).catch((why: unknown) => why)
      if (isReleased || !hasCode(error, 'ENOENT', 'ENOTDIR')) continue
      // A disk that was taken out comes back with the lock.
      const found = await stat(dir).catch(() => undefined)
      if (found?.dev !== dev || found.ino !== ino) continue
      isReleased = true
      onLost?.(dir)
    }
  }
  void beat()
  return async () => {
    isReleased = true
    await rm(join(lock, token), { force: true })
    await removeIfEmpty(lock)
  }
}

/** Removes what dead processes left of the lock; throws FolderInUse when a live one has it. */
export async function clearLockFile(dir: string, sleep: Sleep = realSleep): Promise<void> {
  const lock = join(dir, lockName)
  const stats = await unlessAbsent(lstat(lock))
  if (!stats) return
  if (!stats.isDirectory())
    throw new Error(`${lock} is ${stats.isSymbolicLink() ? 'a symbolic link' : 'a file'}: remove it`)
  for (const name of (await unlessAbsent(readdir(lock))) ?? []) {
    const path = join(lock, name)
    const holder = await findHolder(path, sleep)
    if (holder) throw new FolderInUse(holder)
    await rm(path, { recursive: true, force: true })
  }
  await removeIfEmpty(lock)
}

/** False when there is a lock already. */
async function publish(temp: string, lock: string): Promise<boolean> {
  try {
    await rename(temp, lock)
    return true
  } catch (error) {
    // EPERM and EACCES: Windows, and SMB, which do not even replace an empty folder.
    const isTaken = hasCode(error, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR', 'EPERM', 'EACCES')
    if (!isTaken || !(await unlessAbsent(lstat(lock)))) throw error
    return false
  }
}

/** What the live process says that owns the file; undefined when it is dead. */
async function findHolder(path: string, sleep: Sleep): Promise<Holder | undefined> {
  const first = await look(path)
  if (!first) return undefined
  const { holder, ...identity } = first.owner
  const judgement = await judge(identity)
  if (judgement !== 'unknown') return judgement === 'alive' ? holder : undefined
  for (let seconds = 0; seconds < looks; seconds += 1) {
    await sleep(lookMs)
    const next = await look(path)
    if (!next) return undefined
    if (next.mtimeMs !== first.mtimeMs) return next.owner.holder
  }
  return undefined
}

interface Owner extends ProcessIdentity {
  holder: Holder
}

/** Of a file that a power cut tore, or that is none of kss, only the heartbeat tells whether somebody is there. */
const nobodyKnown: Owner = { pid: 0, start: '', boot: '', pids: '', machine: '', holder: {} }

async function look(path: string): Promise<{ owner: Owner; mtimeMs: number } | undefined> {
  const file = await unlessAbsent(open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK))
  if (!file) return undefined
  try {
    const { mtimeMs } = await file.stat()
    return { owner: parseOwner(await file.readFile('utf8')), mtimeMs }
  } finally {
    await file.close()
  }
}

function parseOwner(text: string): Owner {
  try {
    return { ...nobodyKnown, ...(JSON.parse(text) as Partial<Owner>) }
  } catch {
    return nobodyKnown
  }
}

async function removeIfEmpty(lock: string): Promise<void> {
  await rmdir(lock).catch((error: unknown) => {
    // Another process is quicker, and has it now, or had it.
    if (!hasCode(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST')) throw error
  })
}
