import { fork, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { ask } from './answer.ts'
import type { Load, LoadResult } from './load.ts'
import { healthRequest } from './seed.ts'

export interface Server {
  port: number
  /** Milliseconds from spawn to the first 200. */
  coldStart: number
  pid: number
  stop: () => Promise<void>
}

/** Milliseconds until a server that does not answer is given up. */
const patience = 180_000

const children = new Set<ChildProcess>()

/** Runs `node` with the arguments, which are made of a free port; resolves at its first 200. */
export async function startServer(
  makeArguments: (port: number) => string[],
  settings: NodeJS.ProcessEnv = {},
): Promise<Server> {
  const port = await freePort()
  const before = performance.now()
  const child = spawn(process.execPath, makeArguments(port), {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...cleanEnv(), ...settings },
  })
  children.add(child)
  await untilHealthy(child, port)
  const coldStart = performance.now() - before
  const stop = async (): Promise<void> => {
    const exit = once(child, 'exit')
    child.kill()
    await exit
    children.delete(child)
  }
  return { port, coldStart, pid: child.pid!, stop }
}

/** Runs another program, which ends with the benchmark. */
export function startProgram(program: string, args: string[], cwd?: string): ChildProcess {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'], env: cleanEnv(), cwd })
  children.add(child)
  return child
}

/** Runs another script of the benchmark, to which messages can be sent. */
export function startChild(script: string): ChildProcess {
  const child = fork(script)
  children.add(child)
  return child
}

/** Starts the load generator; it does one load at a time. */
export function startGenerator(script: string): (load: Load) => Promise<LoadResult> {
  const child = startChild(script)
  return async (load) => {
    child.send(load)
    const [{ result, error }] = (await once(child, 'message')) as [{ result?: LoadResult; error?: string }]
    if (!result) throw new Error(error)
    return result
  }
}

export function killAll(): void {
  for (const child of children) child.kill('SIGKILL')
}

/** CPU time of the main thread, in seconds; undefined where there is no /proc. Without schedstat it is exact to 10 ms. */
export function mainThreadSeconds(pid: number): number | undefined {
  const nanoseconds = readProc(pid, `task/${pid}/schedstat`)?.split(' ', 1)[0]
  if (nanoseconds !== undefined) return Number(nanoseconds) / 1e9
  const [, , , , , , , , , , , user, system] =
    readProc(pid, `task/${pid}/stat`)
      ?.replace(/^.*\) /s, '')
      .split(' ') ?? []
  // Linux counts 100 ticks a second for programs, whatever the kernel's own are.
  return user === undefined ? undefined : (Number(user) + Number(system)) / 100
}

/** CPU time of all threads that run, to the nanosecond, in milliseconds; undefined where there is no /proc. */
export function cpuMilliseconds(pid: number): number | undefined {
  const threads = readdirSync(`/proc/${pid}/task`)
  const times = threads.map((thread) => Number(readProc(pid, `task/${thread}/schedstat`)?.split(' ')[0]))
  return times.reduce((sum, time) => sum + time, 0) / 1e6
}

/** Resident memory now and at its peak, in MiB; undefined where there is no /proc. */
export function memory(pid: number): { now: number; peak: number } | undefined {
  const status = readProc(pid, 'status')
  const [, now] = /VmRSS:\s*(\d+)/.exec(status ?? '') ?? []
  const [, peak] = /VmHWM:\s*(\d+)/.exec(status ?? '') ?? []
  return now === undefined ? undefined : { now: Number(now) / 1024, peak: Number(peak) / 1024 }
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return undefined
  }
}

async function untilHealthy(child: ChildProcess, port: number): Promise<void> {
  const deadline = performance.now() + patience
  while (performance.now() < deadline && child.exitCode === null) {
    const answer = await ask(port, healthRequest).catch(() => undefined)
    if (answer) return
    await sleep(2)
  }
  throw new Error(child.exitCode === null ? 'The server does not answer' : `The server ended: ${child.exitCode}`)
}

/** Settings of the person who runs this are none of the benchmark's. */
function cleanEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(KSS_|RUNTIME_DIRECTORY$|XDG_RUNTIME_DIR$)/.test(name)),
  )
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
