// What the server and the commands need with many accounts, on a tmpfs. In the project's root, after npm run build:
//   npx tsc -p bench && node dist/bench/accounts.js [accounts] [only: serve, python, list, check, backup, export]
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { killAll, memory, startServer } from './processes.ts'

const documents = 3

const commands: Record<string, (dir: string) => string[]> = {
  list: (dir) => ['user', 'list', '--dir', dir],
  check: (dir) => ['check', '--dir', dir],
  backup: (dir) => ['backup', 'create', '-', '--dir', dir],
  export: (dir) => ['export', '--all', '--format', 'csv', '--dir', dir],
}

const accounts = Number(process.argv[2] ?? 100_000)
const only = process.argv[3]
const dir = mkdtempSync('/dev/shm/kss-accounts-')
process.once('SIGTERM', () => process.exit(1)).once('SIGINT', () => process.exit(1))
process.once('exit', () => rmSync(dir, { recursive: true, force: true }))
try {
  console.log(`Node ${process.version}: ${accounts.toLocaleString('en')} accounts with ${documents} documents each`)
  makeFolders(dir)
  if (only === undefined || only === 'python') await measureServer('serve, Python kss', dir)
  else writeFileSync(join(dir, '.format'), '{"format":1}\n', { mode: 0o600 })
  if (only === undefined || only === 'serve') await measureServer('serve', dir)
  for (const [name, argumentsOf] of Object.entries(commands)) {
    if (only === undefined || only === name) await measureCommand(name, argumentsOf(dir))
  }
} finally {
  killAll()
}

/** As Python kss leaves them, with a hash for a key. */
function makeFolders(state: string): void {
  const salt = 'c2FsdHNhbHRzYWx0c2FsdA'
  const key = `$scrypt$ln=14,r=8,p=1$${salt}$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g`
  for (let at = 0; at < accounts; at += 1) {
    const username = `reader-${at}`
    const folder = join(state, username)
    mkdirSync(folder, { mode: 0o700 })
    const auth = { 'x-auth-user': username, 'x-auth-key': key }
    writeFileSync(join(folder, 'auth.json'), JSON.stringify(auth), { mode: 0o600 })
    for (let book = 0; book < documents; book += 1) {
      const document = createHash('md5').update(`${username} ${book}`).digest('hex')
      const place = { percentage: 0.25, progress: '/body/DocFragment[11]/body/p[7]/text().123' }
      const record = { document, ...place, device: 'Kobo Libra 2', device_id: '93AE5EAF', timestamp: 1_700_000_000 }
      writeFileSync(join(folder, `${document}.json`), JSON.stringify(record), { mode: 0o600 })
    }
  }
}

async function measureServer(name: string, state: string): Promise<void> {
  const server = await startServer((port) => ['bin/kss.cjs', 'serve', '--port', `${port}`, '--dir', state])
  const early = memory(server.pid)?.peak
  // What it still does after it listens counts too.
  await sleep(5000)
  report(name, server.coldStart, memory(server.pid)?.peak, `at the first answer ${early?.toFixed(0)} MiB`)
  await server.stop()
}

async function measureCommand(name: string, args: string[]): Promise<void> {
  const start = performance.now()
  const child = spawn(process.execPath, ['bin/kss.cjs', ...args], { stdio: ['ignore', 'ignore', 'inherit'] })
  let peak: number | undefined
  const watch = setInterval(() => (peak = memory(child.pid!)?.peak ?? peak), 20)
  await once(child, 'exit')
  clearInterval(watch)
  report(name, performance.now() - start, peak, child.exitCode === 0 ? '' : `exit code ${child.exitCode}`)
}

function report(name: string, ms: number, peak: number | undefined, more: string): void {
  console.log(`${name.padEnd(20)} ${(ms / 1000).toFixed(2).padStart(7)} s  peak ${peak?.toFixed(0)} MiB  ${more}`)
}
