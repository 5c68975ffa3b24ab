import { createHash, randomBytes } from 'node:crypto'
import { chmod, lstat, readdir, realpath, rename, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { onWindows, tempPath } from '../../durable.ts'
import { serveCalls, type Call } from '../../control/control-channel.ts'
import { hasCode, unlessAbsent } from '../../error-code.ts'
import { FolderInUse, type Holder } from './folder-in-use.ts'
import { connectTo, listenAt } from './local-socket.ts'
import { clearLockFile, takeLockFile, type LockFileOptions } from './lock-file.ts'
import { ownIdentity } from './process-identity.ts'

const lockPrefix = '.lock-'

/** A peer that is alive answers at once; one that is stopped or busy holds its lock all the same. */
const answerMs = 1000
const electionMs = 5000

/** How often a peer is asked that ends the connection without an answer. */
const mostAsked = 10

interface Peer {
  state: 'gone' | 'starting' | 'holding'
  holder?: Holder
}

/** What the one who holds the folder does for others. */
export interface FolderLock {
  /** Answers calls with what the function makes of them, instead of letting them wait. */
  answer: (call: Call) => void
  release: () => Promise<void>
}

/**
 * Makes this process the only one that has the folder, until it releases it or ends, in whatever way. The lock is in the
 * folder itself, and no symbolic link is followed to it: a listening socket, which the kernel closes with the process, or
 * where there are no sockets a file with a heartbeat. Throws FolderInUse. @see STORAGE.md §3
 */
export async function lockFolder(dir: string, holder: Holder, options: LockFileOptions = {}): Promise<FolderLock> {
  const path = await realpath(dir)
  return (await lockBySocket(path, holder, options)) ?? (await lockByFile(path, holder, options))
}

/**
 * Every starter listens on a name of its own, then asks all others. One that holds, or that is starting and has a
 * smaller name, wins; for one with a larger name it waits, because that one may have looked before it came. So of any
 * number exactly one holds, and a name that nobody listens on can be removed at any time. Undefined where sockets cannot be made.
 */
async function lockBySocket(folder: string, holder: Holder, options: LockFileOptions): Promise<FolderLock | undefined> {
  const name = `${lockPrefix}${await bootTag()}-${randomBytes(8).toString('hex')}`
  let state: Peer['state'] = 'starting'
  let answer!: FolderLock['answer']
  const call = new Promise<Call>((resolve) => {
    answer = resolve
  })
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('close', () => sockets.delete(socket)))
    socket.write(`${JSON.stringify({ state, holder })}\n`)
    serveCalls(socket, async (method, args) => (await call)(method, args))
  })
  const release = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve))
    for (const socket of sockets) socket.destroy()
    await closed
    await rm(join(folder, name), { force: true })
  }
  // Between bind and listen a socket looks like a dead one: it gets its name only when it answers.
  const temp = tempPath(folder)
  if (!(await listens(server, temp))) return undefined
  server.unref()
  await chmod(temp, 0o600)
  await rename(temp, join(folder, name))
  try {
    await winElection(folder, name)
    await clearLockFile(folder, options.sleep)
  } catch (error) {
    await release()
    throw error
  }
  state = 'holding'
  return { answer, release }
}

/**
 * Takes the lock file, then looks for sockets. A process with a socket listens first, then looks for the lock file. So of
 * two processes that start at once at least one sees the other.
 */
async function lockByFile(folder: string, holder: Holder, options: LockFileOptions): Promise<FolderLock> {
  const release = await takeLockFile(folder, holder, options)
  try {
    await checkOtherBoots(folder)
    await winElection(folder, '')
  } catch (error) {
    await release()
    throw error
  }
  return { answer: () => undefined, release }
}

/** False where sockets cannot be made: Windows, exFAT, SMB, a folder of the host in a virtual machine, a forbidden address family. */
async function listens(server: Server, path: string): Promise<boolean> {
  /* c8 ignore next -- Windows only: there a path is no name of a socket */
  if (onWindows) return false
  try {
    await listenAt(server, path)
    return true
  } catch (error) {
    if (hasCode(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL', 'ENOSYS', 'EAFNOSUPPORT')) return false
    throw error
  }
}

/** The part of a socket's name that stands for this boot of this machine. */
async function bootTag(): Promise<string> {
  return createHash('sha256')
    .update((await ownIdentity()).boot)
    .digest('hex')
    .slice(0, 8)
}

/** Throws if there is a socket of another machine that shares this folder: it cannot be connected to from here. */
async function checkOtherBoots(folder: string): Promise<void> {
  const own = `${lockPrefix}${await bootTag()}-`
  const other = (await listLocks(folder)).find((name) => !name.startsWith(own))
  if (other === undefined) return
  throw new Error(`${join(folder, other)} is the lock of a kss on another machine: stop that one, or remove the file`)
}

async function listLocks(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.startsWith(lockPrefix))
}

async function winElection(folder: string, own: string): Promise<void> {
  for (const name of (await listLocks(folder)).filter((each) => each !== own)) {
    const path = join(folder, name)
    const peer = await askUntil(name > own ? Date.now() + electionMs : 0, path)
    if (peer.state !== 'gone') throw new FolderInUse(peer.holder, path)
    await rm(path, { force: true })
  }
}

/** Asks a starting peer again until it holds or is gone, or the deadline (milliseconds since 1970) is over. */
async function askUntil(deadline: number, path: string): Promise<Peer> {
  for (;;) {
    const peer = await ask(path)
    if (peer.state !== 'starting' || Date.now() > deadline) return peer
    await sleep(20)
  }
}

async function ask(path: string, asked = 1): Promise<Peer> {
  const stats = await unlessAbsent(lstat(path))
  if (stats?.isSymbolicLink()) throw new Error(`${path} is a symbolic link: remove it`)
  try {
    return JSON.parse(await readGreeting(connectTo(path))) as Peer
  } catch (error) {
    if (hasCode(error, 'ECONNREFUSED', 'ENOENT')) return { state: 'gone' }
    // A process that gives up the lock while it is asked ends the connection without an answer; then nobody listens.
    const isCut = error instanceof SyntaxError || hasCode(error, 'ECONNRESET', 'EPIPE')
    if (!isCut || asked === mostAsked) return { state: 'holding' }
  }
  await sleep(20)
  return await ask(path, asked + 1)
}

/** Reads until the end of a line or of the connection. Rejects when nothing arrives for answerMs. */
async function readGreeting(socket: Socket): Promise<string> {
  let greeting = ''
  // The loop destroys the socket at its end, too.
  const late = Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })
  for await (const chunk of socket.setTimeout(answerMs, () => socket.destroy(late))) {
    greeting += String(chunk)
    if (greeting.endsWith('\n')) break
  }
  return greeting
}
