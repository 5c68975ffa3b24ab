import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'

export interface ServerProcess {
  url: string
  /** The server's own, where the command is a program that starts it. */
  pid: number
  /** Sends SIGTERM; resolves to the exit code. */
  stop: () => Promise<number | null>
}

/** Starts `kss serve` on a free port of this machine, as a process; it ends with the test at the latest. */
export async function startServer(t: Test, command: string[], dir: string): Promise<ServerProcess> {
  const [program = '', ...first] = command
  const args = [...first, 'serve', '--host', '127.0.0.1', '--port', '0', '--log-format', 'json']
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, KSS_DIR: dir } })
  const exit = new Promise<number | null>((resolve, reject) => {
    child.once('close', resolve)
    child.once('error', reject)
  })
  t.teardown(() => child.kill('SIGKILL'))
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors += String(chunk)))
  const listening = readListening(createInterface(child.stdout))
  const record = await Promise.race([listening, exit.then((code) => `exit code ${code}: ${errors}`)])
  if (typeof record === 'string') throw new Error(`${command.join(' ')} did not start: ${record}`)
  const { pid, addresses } = record
  t.teardown(() => {
    if (child.exitCode === null) process.kill(pid, 'SIGKILL')
  })
  return {
    url: addresses[0] ?? '',
    pid,
    stop: async () => {
      process.kill(pid, 'SIGTERM')
      return exit
    },
  }
}

interface Listening {
  pid: number
  addresses: string[]
}

/** Resolves to the line that tells of it. Also if it comes in one piece with others. */
function readListening(lines: ReturnType<typeof createInterface>): Promise<Listening> {
  return new Promise((resolve) => {
    lines.on('line', (line) => {
      const record = JSON.parse(line) as Listening & { msg: string }
      if (record.msg === 'listening') resolve(record)
    })
  })
}

/** What a reader does on a new server: register, push, pull; resolves to the pulled record. */
export async function syncOnce(url: string): Promise<unknown> {
  const key = '5ebe2294ecd0e0f08eab7690d2a6ee69'
  const headers = { 'x-auth-user': 'ann', 'x-auth-key': key, 'content-type': 'application/json' }
  const ask = async (method: string, path: string, body?: object): Promise<unknown> => {
    const response = await fetch(url + path, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return response.json()
  }
  await ask('POST', '/users/create', { username: 'ann', password: key })
  await ask('PUT', '/syncs/progress', { document: 'dune', percentage: 0.25, progress: '56', device: 'kobo' })
  return ask('GET', '/syncs/progress/dune')
}
