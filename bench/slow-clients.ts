// What thousands of slow clients do to the others. In the project's root, after npm run build:
//   npx tsc -p bench && node dist/bench/slow-clients.js [sockets]
import { execFileSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ask } from './answer.ts'
import { killAll, memory, startChild, startServer, type Server } from './processes.ts'
import { kinds, type Kind, type Siege, type SiegeResult } from './slow-sockets.ts'

/** Sockets of one child process. */
const perChild = 2500

/** One of how many reads none of its answers: the system keeps some MiB for each. */
const unreadShare = 40

/** File descriptors that the server needs for other things than slow sockets. */
const spare = 200

const key = '5ebe2294ecd0e0f08eab7690d2a6ee69'
const head = `Host: 127.0.0.1\r\nx-auth-user: ann\r\nx-auth-key: ${key}\r\n`
const pull = `GET /syncs/progress/dune HTTP/1.1\r\n${head}`
const push = `PUT /syncs/progress HTTP/1.1\r\n${head}`

interface Latencies {
  requests: number
  /** Milliseconds. */
  p50: number
  p99: number
  max: number
}

try {
  await bench(Number(process.argv[2] ?? 10_000))
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exitCode = 1
} finally {
  killAll()
}

async function bench(asked: number): Promise<void> {
  const limit = Number(execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).replace('unlimited', '1e9'))
  const most = Math.min(asked, limit - spare)
  if (most < asked) note(`ulimit -n is ${limit}: ${most} sockets instead of ${asked}`)
  const folder = mkdtempSync(join(tmpdir(), 'kss-slow-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const server = await startServer((port) => ['bin/kss.cjs', 'serve', '--port', `${port}`, '--dir', folder], {
    KSS_CONNECTIONS_PER_ADDRESS: '0',
  })
  await prepare(server.port)
  const rows = { alone: await during(server.port, sleep(5000)), besieged: await besiege(server, most) }
  const after = await during(server.port, sleep(5000))
  process.stdout.write(formatReport({ ...rows.besieged, alone: rows.alone, after, peak: memory(server.pid)?.peak }))
}

/** A user with a record of 15 KB, so that answers that nobody reads pile up. */
async function prepare(port: number): Promise<void> {
  const created = { method: 'POST', body: JSON.stringify({ username: 'ann', password: key }) }
  await fetch(`http://127.0.0.1:${port}/users/create`, created)
  const record = { document: 'dune', percentage: 0.25, progress: 'x'.repeat(15_000), device: 'kobo' }
  const body = JSON.stringify(record)
  await ask(port, `${push}Content-Length: ${body.length}\r\n\r\n${body}`)
}

interface Besieged {
  open: number
  refused: number
  seconds: { toOpen: number; toClose: number }
  closedAfter: Record<Kind, number>
  opening: Latencies
  holding: Latencies
}

/** Opens the sockets, and measures until the server has closed all. */
async function besiege({ port }: Server, sockets: number): Promise<Besieged> {
  const children = Array.from({ length: Math.ceil(sockets / perChild) }, () =>
    startChild(import.meta.filename.replace(/slow-clients(\.[jt]s)$/, 'slow-sockets$1')),
  )
  const start = performance.now()
  const seconds = (): number => (performance.now() - start) / 1000
  const opened = children.map((child, at) => {
    child.send({ port, sockets: shareOf(sockets, children.length), network: at + 1, pull, push } satisfies Siege)
    return answerOf(child, 'open')
  })
  const results = children.map((child) => answerOf(child, 'result'))
  const opening = await during(port, Promise.all(opened))
  const toOpen = seconds()
  const holding = await during(port, Promise.all(results))
  const closed = (await Promise.all(results)) as SiegeResult[]
  return {
    open: ((await Promise.all(opened)) as number[]).reduce((sum, count) => sum + count, 0),
    refused: closed.reduce((sum, { refused }) => sum + refused, 0),
    seconds: { toOpen, toClose: seconds() },
    closedAfter: Object.fromEntries(
      kinds.map((kind) => [kind, Math.max(...closed.map(({ closedAfter }) => closedAfter[kind]))]),
    ) as Record<Kind, number>,
    opening,
    holding,
  }
}

function shareOf(sockets: number, children: number): Record<Kind, number> {
  const each = Math.floor(sockets / children)
  const unread = Math.ceil(each / unreadShare)
  const others = Math.floor((each - unread) / (kinds.length - 1))
  return { silent: each - unread - 3 * others, headers: others, body: others, idle: others, unread }
}

/** The first message of the child that has this. */
async function answerOf(child: ChildProcess, name: string): Promise<unknown> {
  for (;;) {
    const [message] = (await once(child, 'message')) as [Record<string, unknown>]
    if (message[name] !== undefined) return message[name]
  }
}

/** Pulls, each over a connection of its own as KOReader does, fifty a second until the end. */
async function during(port: number, end: Promise<unknown>): Promise<Latencies> {
  const ended = new AbortController()
  void end.finally(() => ended.abort())
  const latencies: number[] = []
  while (!ended.signal.aborted) {
    const before = performance.now()
    await ask(port, `${pull}\r\n`)
    latencies.push(performance.now() - before)
    await sleep(Math.max(0, before + 20 - performance.now()))
  }
  latencies.sort((one, other) => one - other)
  const quantile = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? NaN
  return { requests: latencies.length, p50: quantile(0.5), p99: quantile(0.99), max: latencies.at(-1) ?? NaN }
}

function formatReport(report: Besieged & { alone: Latencies; after: Latencies; peak: number | undefined }): string {
  const { open, refused, seconds, closedAfter, peak } = report
  const lines = (['alone', 'opening', 'holding', 'after'] as const).map((name) => {
    const { requests, p50, p99, max } = report[name]
    return [name.padEnd(8), ...[requests.toFixed(), ...[p50, p99, max].map((ms) => ms.toFixed(1))].map(cell)].join('')
  })
  return `
Node ${process.version}: ${open} slow sockets, ${refused} refused
Opened in ${seconds.toOpen.toFixed(1)} s, all closed after ${seconds.toClose.toFixed(1)} s
Longest life of a socket, in s: ${kinds.map((kind) => `${kind} ${(closedAfter[kind] / 1000).toFixed(1)}`).join(', ')}
Peak of the server's resident memory: ${peak === undefined ? 'n/a' : `${peak.toFixed()} MiB`}

GET     ${['requests', 'p50 ms', 'p99 ms', 'max ms'].map(cell).join('')}
${lines.join('\n')}
`
}

function cell(text: string): string {
  return text.padStart(10)
}

function note(text: string): void {
  process.stderr.write(`${text}\n`)
}
