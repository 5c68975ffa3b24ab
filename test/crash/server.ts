import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Report } from './report.ts'

export const builtLauncher = fileURLToPath(new URL('../../bin/kss.cjs', import.meta.url))

/** A server process, from its first moment on. */
export interface Server {
  /** Where it listens; undefined when it ended before that. */
  url: Promise<string | undefined>
  /** Resolves when the process and all that it wrote are gone. */
  kill: () => Promise<void>
  /** As kill, but with SIGTERM: what it has in hand it finishes. */
  stop: () => Promise<void>
}

/** For env(1), which becomes the program: tap puts its coverage hooks back into what its tests spawn. */
const without = ['-u', 'NODE_OPTIONS', '-u', 'NODE_V8_COVERAGE']

/** Milliseconds after which a server that does not stop is killed. */
const patience = 15_000

/** What a load test from one address needs, and one that counts every push. */
const noLimits = {
  KSS_LOGIN_FAILURES_PER_MINUTE: '0',
  KSS_REGISTRATIONS_PER_HOUR: '0',
  KSS_CONNECTIONS_PER_ADDRESS: '0',
  KSS_HISTORY_LIMIT: '0',
}

export interface ServerOptions {
  hashKeys: boolean
  /** Whether it may log that files cannot be written. */
  mayComplain: boolean
}

/** Starts `kss serve` on a free port. That it complains, or ends unasked, is told to the report. */
export function startServer(launcher: string, dir: string, options: ServerOptions, report: Report): Server {
  const { hashKeys, mayComplain } = options
  const args = ['serve', '--host', '127.0.0.1', '--port', '0', '--dir', dir, '--log-format', 'json']
  const child = spawn('env', [...without, process.execPath, launcher, ...args], {
    env: { ...cleanEnv(), ...noLimits, KSS_HASH_KEYS: `${hashKeys}`, KSS_CONSOLE: 'false' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const killAtExit = (): unknown => child.kill('SIGKILL')
  process.once('exit', killAtExit)
  let asked = false
  const ended = once(child, 'close').then(([code, signal]) => {
    process.off('exit', killAtExit)
    if (!asked) report.violate(`the server ended by itself: ${code ?? signal}`)
    return code as number | null
  })
  child.stderr.on('data', (chunk) => report.violate(`the server says: ${String(chunk)}`))
  const listening = new Promise<string>((resolve) => {
    createInterface(child.stdout).on('line', (line) => readLine(line, resolve, mayComplain, report))
  })
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    asked = true
    child.kill(signal)
    return await ended
  }
  return {
    url: Promise.race([listening, ended.then(() => undefined)]),
    kill: async () => void (await end('SIGKILL')),
    stop: async () => {
      const deadline = setTimeout(() => child.kill('SIGKILL'), patience)
      const code = await end('SIGTERM')
      clearTimeout(deadline)
      if (code !== 0) report.violate(`the server stopped with ${code ?? 'a signal'}, not with exit code 0`)
    },
  }
}

/** A line that a kill tore is no line. */
function readLine(line: string, onListening: (url: string) => void, mayComplain: boolean, report: Report): void {
  if (!line.endsWith('}')) return
  if (line.includes('"msg":"listening"')) {
    onListening((JSON.parse(line) as { addresses: string[] }).addresses[0] ?? '')
  }
  // A 503 during a stop is what it says. Other trouble is not expected, nor that the torn end of a log counts as damage.
  const isExpected =
    line.includes('"reason":"The server cannot do this now') || (mayComplain && /ENOTDIR|EIO|EROFS/.test(line))
  if (/^\{"level":[56]0/.test(line) && !isExpected) {
    report.violate(`the server logs: ${line}`)
  }
}

/** Settings of whoever runs this are none of the test's. */
function cleanEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(TAP|_?TAP(JS)?_.*|KSS_.*)$/.test(name)))
}
