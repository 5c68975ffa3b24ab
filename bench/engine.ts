// A Redis for benchmarks: what it costs is asked of it and of /proc.
import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '@redis/client'
import type { Costly } from './costs.ts'
import { freePort, startProgram, startServer, type Server } from './processes.ts'

export interface RedisEngine {
  port: number
  pid: number
  ask: (...words: string[]) => Promise<unknown>
  /** The figures of INFO, by their names. */
  info: (section: string) => Promise<Map<string, string>>
  /** Bytes of the append-only file, which is never rewritten. */
  logBytes: () => number
  stop: () => Promise<void>
}

type KssOnRedis = Server & Costly

/** What is on the disk before each answer. */
const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--auto-aof-rewrite-percentage', '0', '--save', '']

export async function startRedis(dir: string): Promise<RedisEngine> {
  mkdirSync(dir)
  const port = await freePort()
  const child = startProgram('redis-server', ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, ...durable])
  const client = createClient({ url: `redis://127.0.0.1:${port}/1`, RESP: 2 })
  client.on('error', () => {})
  await client.connect()
  while (!(await client.ping().catch(() => undefined))) await sleep(20)
  const ask = (...words: string[]): Promise<unknown> => client.sendCommand(words)
  return {
    port,
    pid: child.pid!,
    ask,
    info: async (section) => {
      const lines = String(await ask('INFO', section)).split('\r\n')
      return new Map(lines.map((line) => line.split(/:(.*)/s) as [string, string]))
    },
    logBytes: () => {
      const folder = join(dir, 'appendonlydir')
      return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
    },
    stop: async () => {
      client.destroy()
      child.kill()
    },
  }
}

/** A kss on it. */
export async function startKss({ port }: RedisEngine, settings: NodeJS.ProcessEnv = {}): Promise<KssOnRedis> {
  const store = { KSS_STORE: `redis://127.0.0.1:${port}/1`, KSS_REGISTRATIONS_PER_HOUR: '0', ...settings }
  const args = ['bin/kss.cjs', 'serve', '--host', '127.0.0.1']
  const server = await startServer((own) => [...args, '--port', `${own}`], store)
  return { ...server, pids: [server.pid] }
}
