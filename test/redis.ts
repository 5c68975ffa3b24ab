import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '@redis/client'
import type { Test } from 'tap'
import { freePort } from './free-port.ts'

/** Why tests that need it are skipped. */
export const noRedis = spawnSync('redis-server', ['--version']).status !== 0 && 'redis-server is not on this machine'

export interface Redis {
  host: string
  /** Of database 1, without a password. */
  url: string
  pid: () => number
  command: (database: number, ...words: (string | Buffer)[]) => Promise<unknown>
  /** Kills it, as a power cut would. */
  stop: () => Promise<void>
  /** Starts it again on the same port and folder. */
  start: () => Promise<void>
}

/** A Redis of its own that keeps nothing, unless the settings say otherwise. */
export async function startRedis(t: Test, ...settings: string[]): Promise<Redis> {
  const port = await freePort()
  const where = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', t.testdir({}), '--repl-diskless-sync-delay', '0']
  const host = `127.0.0.1:${port}`
  const launch = () =>
    spawn('redis-server', [...where, '--save', '', '--appendonly', 'no', ...settings], { stdio: 'ignore' })
  let child = launch()
  let closed = once(child, 'close')
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await closed
  }
  const start = async (): Promise<void> => {
    child = launch()
    closed = once(child, 'close')
    await untilUp(host)
  }
  t.teardown(stop)
  await untilUp(host)
  return {
    host,
    url: `redis://${host}/1`,
    pid: () => child.pid!,
    command: (database, ...words) => run(`redis://${host}/${database}`, words),
    stop,
    start,
  }
}

/** A replica of it, in step. */
export async function startReplica(t: Test, { host, command }: Redis): Promise<Redis> {
  const replica = await startRedis(t, '--replicaof', ...host.split(':'))
  while ((await command(0, 'WAIT', '1', '1000')) === 0) await sleep(20)
  return replica
}

async function untilUp(host: string): Promise<void> {
  const isUp = async (): Promise<boolean> => {
    const probe = createClient({ url: `redis://${host}`, socket: { reconnectStrategy: false } })
    probe.on('error', () => {})
    return await probe.connect().then(
      async () => {
        const isReady = await probe.sendCommand(['PING']).then(
          () => true,
          () => false,
        )
        probe.destroy()
        return isReady
      },
      ({ message }: Error) => message.startsWith('NOAUTH'),
    )
  }
  while (!(await isUp())) await sleep(20)
}

async function run(url: string, words: (string | Buffer)[]): Promise<unknown> {
  const client = createClient({ url, RESP: 2 })
  client.on('error', () => {})
  await client.connect()
  try {
    return await client.sendCommand(words)
  } finally {
    client.destroy()
  }
}
