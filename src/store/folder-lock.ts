import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdir, readdir, realpath, rename, rm, stat } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { onWindows, tempPath } from './atomic-file.ts'
import { serveCalls, type Call } from './control-channel.ts'
import { hasCode } from './error-code.ts'

const lockPrefix = '.lock-'

/** Unix socket paths end at 104 bytes (macOS) or 108 (Linux). */
const longestSocketPath = 100

/** Where the locks of folders are that can have none: one place, whatever TMPDIR a process has. */
/* c8 ignore next -- Windows only */
const lockRoot = onWindows ? tmpdir() : '/tmp'

/** A peer that is alive answers at once; one that is stopped or busy holds its lock all the same. */
const answerMs = 1000
const electionMs = 5000

/** What others are told of the one who holds the folder. */
export type Holder = Record<string, string | number | boolean>

interface Peer {
  state: 'gone' | 'starting' | 'holding'
  holder?: Holder
}

/** Another process has the folder. */
export class FolderInUse extends Error {
  readonly holder: Holder | undefined
  /** Where it can be asked to do something. */
  readonly socket: string

  constructor(holder: Holder | undefined, socket: string) {
    super('the folder is in use')
    this.holder = holder
    this.socket = socket
  }
}

/** What the one who holds the folder does for others. */
export interface FolderLock {
  /** Answers calls with what the function makes of them, instead of letting them wait. */
  answer: (call: Call) => void
  release: () => Promise<void>
}

/**
 * Makes this process the only one that has the folder, until it releases it or ends, in whatever way: the lock is a listening socket, which the kernel closes with the process. Throws FolderInUse.
 *
 * Every starter listens on a name of its own, then asks all others. One that holds, or that is starting and has a
 * smaller name, wins; for one with a larger name it waits, because that one may have looked before it came. So of any
 * number exactly one holds, and a name that nobody listens on can be removed at any time. @see STORAGE.md §3
 */
export async function lockFolder(dir: string, holder: Holder): Promise<FolderLock> {
  const path = await realpath(dir)
  const folder = (await takesSockets(path)) ? path : await substituteFolder(path)
  const name = lockPrefix + randomBytes(8).toString('hex')
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
  server.listen(temp)
  await once(server, 'listening')
  server.unref()
  await chmod(temp, 0o600)
  await rename(temp, join(folder, name))
  try {
    await winElection(folder, name)
  } catch (error) {
    await release()
    throw error
  }
  state = 'holding'
  return { answer, release }
}

async function winElection(folder: string, own: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.startsWith(lockPrefix) && name !== own)
  for (const name of names) {
    const peer = await askUntil(name > own ? Date.now() + electionMs : 0, join(folder, name))
    if (peer.state !== 'gone') throw new FolderInUse(peer.holder, join(folder, name))
    await rm(join(folder, name), { force: true })
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

async function ask(path: string): Promise<Peer> {
  try {
    return JSON.parse(await readGreeting(connect(path))) as Peer
  } catch (error) {
    return { state: hasCode(error, 'ECONNREFUSED', 'ENOENT') ? 'gone' : 'holding' }
  }
}

/** What comes until the end of a line, or until nothing comes any more. */
async function readGreeting(socket: Socket): Promise<string> {
  let greeting = ''
  // It destroys the socket at its end, too.
  for await (const chunk of socket.setTimeout(answerMs, () => socket.destroy())) {
    greeting += String(chunk)
    if (greeting.endsWith('\n')) break
  }
  return greeting
}

/** Not if its path is too long for a socket, or its file system has none: exFAT, SMB, a folder of the host in a VM. */
async function takesSockets(dir: string): Promise<boolean> {
  const path = tempPath(dir)
  if (Buffer.byteLength(path) > longestSocketPath) return false
  const server = createServer()
  try {
    await once(server.listen(path), 'listening')
    server.close()
    return true
  } catch (error) {
    if (hasCode(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL', 'ENOSYS')) return false
    throw error
  }
}

/** A folder for the folder, among the temporary files of this machine. */
async function substituteFolder(dir: string): Promise<string> {
  const folder = join(lockRoot, `kss-${createHash('sha256').update(dir).digest('hex').slice(0, 16)}`)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const { uid, mode } = await stat(folder)
  // Who may connect to the socket may do all that an operator can.
  if (!onWindows && (uid !== process.getuid?.() || (mode & 0o077) !== 0)) {
    throw new Error(`${folder} is not for this user alone: remove it`)
  }
  return folder
}
