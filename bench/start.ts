// npm run bench:start [-- starts folder…]: from spawn to the first 200. Other built checkouts or packages take turns.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { median } from './measure.ts'
import { cpuMilliseconds, killAll, memory, startServer } from './processes.ts'

interface Start {
  /** From spawn to the first 200. */
  ms: number
  /** Of all threads until then, user and system. */
  cpuMs: number
  /** Resident then, in MiB. */
  memory: number
}

const [starts = '15', ...folders] = process.argv.slice(2)
const projects = (folders.length > 0 ? folders : ['.']).map((folder) => resolve(folder))
const temp = mkdtempSync(join(tmpdir(), 'kss-bench-'))
process.once('exit', () => {
  killAll()
  rmSync(temp, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

const measured = new Map(projects.map((project): [string, Start[]] => [project, []]))
// The first start of each fills the system's cache of files.
for (let round = -1; round < Number(starts); round++) {
  for (const [project, done] of measured) {
    const figures = await measureStart(project)
    if (round >= 0) done.push(figures)
  }
}
for (const [project, done] of measured) {
  const middle = (name: keyof Start): string => median(done.map((each) => each[name])).toFixed(0)
  const least = Math.min(...done.map(({ ms }) => ms)).toFixed(0)
  const idle = (await measureIdle(project)).toFixed(0)
  console.log(
    `${project}: ${middle('ms')} ms (at least ${least}), CPU ${middle('cpuMs')} ms, ${middle('memory')} MiB, idle ${idle} MiB`,
  )
}

async function measureStart(project: string): Promise<Start> {
  const server = await start(project)
  const { pid, coldStart } = server
  const figures = { ms: coldStart, cpuMs: cpuMilliseconds(pid) ?? NaN, memory: memory(pid)?.now ?? NaN }
  await server.stop()
  return figures
}

/** Resident memory in MiB after ten seconds without work: of five servers, as the engine frees it when it likes. */
async function measureIdle(project: string): Promise<number> {
  const servers = await Promise.all(['1', '2', '3', '4', '5'].map((data) => start(project, data)))
  await sleep(10_000)
  const resident = servers.map(({ pid }) => memory(pid)?.now ?? NaN)
  for (const server of servers) await server.stop()
  return median(resident)
}

function start(project: string, data = '0'): ReturnType<typeof startServer> {
  const args = [join(project, 'bin', 'kss.cjs'), 'serve', '--host', '127.0.0.1', '--dir', join(temp, data)]
  return startServer((port) => [...args, '--port', `${port}`])
}
