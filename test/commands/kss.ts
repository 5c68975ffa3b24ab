import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import type { Test } from 'tap'
import { command } from '../launcher.ts'

type Kss = ChildProcessByStdio<null, Readable, Readable>

export interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

/** Starts the built `kss`, by other words if there are some; killed with the test. */
export function start(
  t: Test,
  args: string[],
  env: NodeJS.ProcessEnv,
  stdin: 'ignore' | number = 'ignore',
  [program = '', ...first] = command,
): Kss {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('KSS_')))
  const child = spawn(program, [...first, ...args], {
    env: { ...clean, ...env },
    stdio: [stdin, 'pipe', 'pipe'],
  }) as Kss
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

/** Runs the built `kss` to its end. */
export async function kss(
  t: Test,
  args: string[],
  env: NodeJS.ProcessEnv = {},
  stdin?: number,
  words?: string[],
): Promise<Ended> {
  const child = start(t, args, env, stdin, words)
  const ended = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => (ended.stdout += String(chunk)))
  child.stderr.on('data', (chunk) => (ended.stderr += String(chunk)))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...ended }
}

export interface Server {
  url: string
  child: Kss
  /** The log so far: one object a line. */
  log: Record<string, unknown>[]
  /** What it wrote to standard error so far. */
  errors: { text: string }
  /** Sends the signal; resolves to the exit code. */
  stop: (signal?: NodeJS.Signals) => Promise<number | null>
}

/** Starts the built `kss serve` on a free port, and waits until it listens. */
export async function serve(t: Test, dir: string, args: string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Server> {
  const child = start(t, ['serve', '--host', '127.0.0.1', '--port', '0', ...args], { KSS_DIR: dir, ...env })
  const log: Record<string, unknown>[] = []
  const errors = { text: '' }
  let rest = ''
  const listening = new Promise<string>((resolve, reject) => {
    child.stderr.on('data', (chunk) => {
      errors.text += String(chunk)
      // What makes the first operator comes after the start.
      if (!errors.text.startsWith('No account is an operator')) reject(new Error(errors.text))
    })
    child.stdout.on('data', (chunk) => {
      const lines = (rest + String(chunk)).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const entry = JSON.parse(line) as Record<string, unknown>
        log.push(entry)
        if (entry['msg'] === 'listening') resolve((entry['addresses'] as string[])[0] ?? '')
      }
    })
  })
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> => {
    child.kill(signal)
    const [code] = (await once(child, 'close')) as [number | null]
    return code
  }
  return { url: await listening, child, log, errors, stop }
}
