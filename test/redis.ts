import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { RedisClient } from '@redis/client'
import type { Test } from 'tap'
import { freePort } from './free-port.ts'

const newClient = RedisClient.factory({ RESP: 2 })

/** As that of the package, which takes 25 ms for each. */
function createClient(options: { url: string; socket?: { reconnectStrategy: false } }) {
  const all = { ...options, RESP: 2 as const }
  return newClient(all)
}

/** Why tests that need it are skipped. */
export const noRedis = spawnSync('redis-server', ['--version']).status !== 0 && 'redis-server is not on this machine'

export interface Redis {
  host: string
  /** Of database 1, without a password. */
  url: string
  pid: () => number
  /** Where nodes of a cluster talk to each other. */
  busPort: () => string
  /** Where `--tls-port` is among its settings. */
  tlsPort: () => string
  command: (database: number, ...words: (string | Buffer)[]) => Promise<unknown>
  /** Kills it, as a power cut would. */
  stop: () => Promise<void>
  /** Starts it again on the same port and folder. */
  start: () => Promise<void>
}

/** A Redis of its own that keeps nothing, unless the settings say otherwise. */
export async function startRedis(t: Test, ...settings: string[]): Promise<Redis> {
  const [port, dir] = [await freePort(), await mkdtemp(join(tmpdir(), 'kss-redis-'))]
  const where = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, '--repl-diskless-sync-delay', '0']
  return await startServer(t, port, dir, [...where, '--save', '', '--appendonly', 'no', ...settings])
}

/** A process that watches the master, and makes a replica it when as many of them as the quorum miss it. */
export async function startSentinel(t: Test, master: Redis, quorum: number, ...lines: string[]): Promise<Redis> {
  const [port, dir] = [await freePort(), await mkdtemp(join(tmpdir(), 'kss-redis-'))]
  const config = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${dir}`,
    `sentinel monitor mymaster ${master.host.replace(':', ' ')} ${quorum}`,
    'sentinel down-after-milliseconds mymaster 1000',
    'sentinel failover-timeout mymaster 5000',
    ...lines,
  ]
  const file = join(dir, 'sentinel.conf')
  await writeFile(file, config.map((line) => `${line}\n`).join(''))
  return await startServer(t, port, dir, [file, '--sentinel'])
}

async function startServer(t: Test, port: number, dir: string, args: string[]): Promise<Redis> {
  const host = `127.0.0.1:${port}`
  const launch = () => spawn('redis-server', args, { stdio: 'ignore' })
  let child = launch()
  let closed = once(child, 'close')
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await closed
  }
  const start = async (): Promise<void> => {
    child = launch()
    closed = once(child, 'close')
    await untilUp(host, child)
  }
  t.teardown(async () => {
    await stop()
    await rm(dir, { recursive: true, force: true })
  })
  await untilUp(host, child)
  return {
    host,
    url: `redis://${host}/1`,
    pid: () => child.pid!,
    busPort: () => args[args.indexOf('--cluster-port') + 1]!,
    tlsPort: () => args[args.indexOf('--tls-port') + 1]!,
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

export interface Cluster {
  masters: Redis[]
  /** One of each master, in the same order, where there are any. */
  replicas: Redis[]
  /** host:port of the masters. */
  hosts: string[]
  flush: () => Promise<void>
}

/** Masters of a cluster, each with a part of the slots. */
export async function startCluster(t: Test, withReplicas: boolean = false, ...settings: string[]): Promise<Cluster> {
  const isTls = settings.includes('--tls-cert-file')
  const start = async (): Promise<Redis> => {
    const ports = ['--cluster-port', `${await freePort()}`, '--tls-port', isTls ? `${await freePort()}` : '0']
    return await startRedis(t, '--cluster-enabled', 'yes', ...ports, ...settings)
  }
  const masters = [await start(), await start(), await start()]
  const replicas = withReplicas ? [await start(), await start(), await start()] : []
  const all = [...masters, ...replicas]
  const bounds = [0, 5461, 10_923, 16_384]
  for (const [at, { command }] of all.entries()) await command(0, 'CLUSTER', 'SET-CONFIG-EPOCH', `${at + 1}`)
  for (const [at, { command }] of masters.entries()) {
    await command(0, 'CLUSTER', 'ADDSLOTSRANGE', `${bounds[at]}`, `${bounds[at + 1]! - 1}`)
  }
  for (const { host, busPort } of all.slice(1)) {
    await masters[0]!.command(0, 'CLUSTER', 'MEET', ...host.split(':'), busPort())
  }
  await untilAll(all, ['CLUSTER', 'INFO'], new RegExp(`cluster_state:ok[^]*cluster_known_nodes:${all.length}\\b`))
  for (const [at, { command }] of replicas.entries()) {
    const id = String(await masters[at]!.command(0, 'CLUSTER', 'MYID'))
    await untilAll([replicas[at]!], ['CLUSTER', 'NODES'], new RegExp(id))
    await command(0, 'CLUSTER', 'REPLICATE', id)
  }
  await untilAll(replicas, ['INFO', 'replication'], /master_link_status:up/)
  const flush = async (): Promise<void> => {
    for (const { command } of masters) await command(0, 'FLUSHALL')
  }
  return { masters, replicas, hosts: masters.map(({ host }) => host), flush }
}

async function untilAll(nodes: Redis[], words: string[], holds: RegExp): Promise<void> {
  for (const { command } of nodes) while (!holds.test(String(await command(0, ...words)))) await sleep(20)
}

async function untilUp(host: string, server: ChildProcess): Promise<void> {
  const isUp = async (): Promise<boolean> => {
    const probe = createClient({ url: `redis://${host}`, socket: { reconnectStrategy: false } })
    probe.on('error', () => {})
    return await probe.connect().then(
      async () => {
        const isReady = await probe.sendCommand(['PING']).then(
          () => true,
          ({ message }: Error) => message.startsWith('NOAUTH'),
        )
        probe.destroy()
        return isReady
      },
      ({ message }: Error) => message.startsWith('NOAUTH'),
    )
  }
  while (!(await isUp())) {
    if (server.exitCode !== null) throw new Error(`redis-server at ${host} ended with ${server.exitCode}`)
    await sleep(20)
  }
}

async function run(url: string, words: (string | Buffer)[]): Promise<unknown> {
  const client = createClient({ url })
  client.on('error', () => {})
  await client.connect()
  try {
    return await client.sendCommand(words)
  } finally {
    client.destroy()
  }
}
