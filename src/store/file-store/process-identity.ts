import { readFile, readlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'

/** Identifies a process among those of all machines. A field is empty where the system does not provide it. */
export interface ProcessIdentity {
  pid: number
  /** When it started, in clock ticks since the boot. */
  start: string
  /** The id of the machine's boot; where the system does not provide it, the host name. */
  boot: string
  /** The namespace of the pid: each container has its own. */
  pids: string
  /** The id of the machine, which stays the same over boots. */
  machine: string
}

/** What is known of a process; `unknown` is one of another machine or container, or one whose start nobody can see. */
export type Judgement = 'alive' | 'dead' | 'unknown'

/** The identity of this process. `root` is where /proc and /etc are. */
export async function ownIdentity(root = '/'): Promise<ProcessIdentity> {
  const { start } = await readStat(process.pid, root)
  return {
    pid: process.pid,
    start,
    boot: (await readWord(root, 'proc/sys/kernel/random/boot_id')) || hostname(),
    pids: await readlink(join(root, 'proc/self/ns/pid')).catch(() => ''),
    machine: await readWord(root, 'etc/machine-id'),
  }
}

/** Whether the process still runs, as far as this one can see. */
export async function judge(other: ProcessIdentity, root = '/'): Promise<Judgement> {
  const own = await ownIdentity(root)
  if (other.boot !== own.boot) return own.machine !== '' && other.machine === own.machine ? 'dead' : 'unknown'
  if (other.pids !== own.pids) return 'unknown'
  if (!hasProcess(other.pid)) return 'dead'
  const { state, start } = await readStat(other.pid, root)
  if (start === '' || other.start === '') return 'unknown'
  // A killed process stays listed, as a zombie (Z), until its parent asks how it ended.
  return start === other.start && state !== 'Z' ? 'alive' : 'dead'
}

function hasProcess(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** @see proc_pid_stat(5): the state is the third field, the start the 22nd; the second may hold blanks and brackets. */
async function readStat(pid: number, root: string): Promise<{ state: string; start: string }> {
  const text = await readWord(root, `proc/${pid}/stat`)
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { state: fields[0]!, start: fields[19] ?? '' }
}

async function readWord(root: string, path: string): Promise<string> {
  const text = await readFile(join(root, path), 'utf8').catch(() => '')
  return text.trim()
}
