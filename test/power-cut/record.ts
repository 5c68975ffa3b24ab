import { execFile, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { buildOwn, type Mutant } from '../own-build.ts'
import { RecordedDisk, type Tree } from './recorded-disk.ts'
import { parseTrace, type Call } from './trace.ts'

const run = promisify(execFile)

/** What changes files, and what the model would have to know if it were used. */
const calls = [
  'open,openat,openat2,creat,close,write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,sync_file_range',
  'rename,renameat,renameat2,mkdir,mkdirat,unlink,unlinkat,rmdir,link,linkat,symlink,symlinkat,mknod,mknodat',
  'truncate,ftruncate,fallocate,copy_file_range,sendfile,splice',
].join()

const options = ['-f', '-qq', '-xx', '-s', '1000000', '-e', `trace=${calls}`, '-e', 'signal=none']

/** Why nothing can be recorded here; undefined when it can. */
export function whyNoTrace(): string | undefined {
  if (process.platform !== 'linux') return 'power cuts are recorded with strace, which is for Linux'
  const { status, error } = spawnSync('strace', [...options, '-o', '/dev/null', 'true'])
  if (error) return 'strace is not on this machine'
  return status === 0 ? undefined : 'strace may not trace a process on this machine'
}

/** Builds the workload, with the store in it, into a new folder; resolves to the path of the program. */
export async function buildWorkload(folder: string, mutant?: Mutant): Promise<string> {
  const workload = 'test/power-cut/workload.ts'
  const { modules } = await buildOwn(folder, [workload], mutant)
  return modules[workload]!
}

/** A run of the workload: what it does, and what strace does to it. */
export interface Session {
  /** `unallocated`: as `live`, each segment of the log made when it is needed. */
  part: 'live' | 'unallocated' | 'old' | 'goOn'
  injected?: string
}

/** Uses a new state directory, in one session after the other, and resolves to what happened to the disk. */
export async function record(folder: string, program: string, sessions: Session[]): Promise<RecordedDisk> {
  const dir = join(folder, 'state')
  await mkdir(dir, { recursive: true })
  const disk = new RecordedDisk(dir, join(folder, 'marks'))
  let firstLine = 1
  for (const { part, injected } of sessions) {
    const trace = await traceWorkload(folder, program, [part, dir], injected)
    disk.play(parseTrace(trace, firstLine))
    firstLine += trace.split('\n').length
  }
  return disk
}

/** Recovers each state, one after the other, and resolves to what happened to each one's disk. */
export async function recordRecoveries(folder: string, program: string, states: Tree[]): Promise<RecordedDisk[]> {
  const dirs = states.map((_, number) => join(folder, `state-${number}`))
  for (const [number, state] of states.entries()) writeTree(dirs[number]!, state)
  const recorded: Call[] = parseTrace(await traceWorkload(folder, program, ['recover', ...dirs]), 1)
  return states.map((state, number) => {
    const disk = new RecordedDisk(dirs[number]!, join(folder, 'marks'), state)
    disk.play(recorded)
    return disk
  })
}

export function writeTree(dir: string, tree: Tree): void {
  mkdirSync(dir)
  for (const [path, data] of tree) {
    if (data) writeFileSync(join(dir, path), data)
    else mkdirSync(join(dir, path))
  }
}

export function readTree(dir: string): Tree {
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true })
  return new Map(
    entries.map((entry) => {
      const path = join(entry.parentPath, entry.name)
      return [path.slice(dir.length + 1), entry.isDirectory() ? null : readFileSync(path)]
    }),
  )
}

async function traceWorkload(
  folder: string,
  program: string,
  [part = '', ...dirs]: string[],
  injected?: string,
): Promise<string> {
  const log = join(folder, 'trace')
  const inject = injected === undefined ? [] : ['-e', `inject=${injected}`]
  const args = [...options, ...inject, '-o', log, process.execPath, program]
  const running = run('strace', [...args, join(folder, 'marks'), part, ...dirs], { env: environment(injected) })
  // One that is killed on purpose.
  await (injected !== undefined ? running.catch(() => undefined) : running)
  return await readFile(log, 'utf8')
}

/** No loader, no coverage: they would be in the trace, and io_uring would not. */
function environment(injected?: string): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(NODE_|TAP)/.test(name))
  const env = { ...Object.fromEntries(own), UV_USE_IO_URING: '0' }
  // strace counts the calls of each thread.
  return injected === undefined ? env : { ...env, UV_THREADPOOL_SIZE: '1' }
}
