// The Audiobookshelf bridge under load: pushes of many linked documents, then pulls while Audiobookshelf hangs. In the
// project's root:
//   npm run bench:audiobookshelf [-- seconds [pushes a second]]
import { createServer, request, Agent, type ServerResponse } from 'node:http'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { killAll, startServer, type Server } from './processes.ts'

const users = Array.from({ length: 50 }, (_each, at) => `user-${at}`)
const documents = Array.from({ length: 20 }, (_each, at) => `document-${at}`)

/** Milliseconds that Audiobookshelf takes for a request. */
const latencyMs = 5

const duration = 36_000

/** Pulls and pushes while it hangs. */
const count = 500

/** One that Audiobookshelf does not have. */
const unlinked = 'unlinked'

/** As much of Audiobookshelf as an item without an ebook needs. */
class Stub {
  readonly records = new Map<string, Record<string, unknown>>()
  readonly #lanes = new Map<string, number>()
  #inFlight = 0
  requests = 0
  patches = 0
  mostOfItem = 0
  mostAtOnce = 0
  hangs = false
  url = ''

  async start(): Promise<void> {
    const server = createServer((incoming, response) => {
      let text = ''
      incoming.on('data', (chunk) => (text += String(chunk)))
      incoming.on('end', () => {
        const { method = '', url = '', headers } = incoming
        const [, what, id = ''] = /\/(items|progress|libraries)\/?([^?]*)/.exec(url) ?? []
        const lane = `${headers.authorization} ${id}`
        this.#count(lane, response)
        if (this.hangs) return
        setTimeout(() => this.#answer({ method, what, id, lane, text }, response), latencyMs)
      })
    })
    server.unref()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  #count(lane: string, response: ServerResponse): void {
    const ofItem = (this.#lanes.get(lane) ?? 0) + 1
    this.#lanes.set(lane, ofItem)
    this.#inFlight += 1
    this.requests += 1
    this.mostOfItem = Math.max(this.mostOfItem, ofItem)
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#inFlight)
    response.on('close', () => {
      this.#lanes.set(lane, this.#lanes.get(lane)! - 1)
      this.#inFlight -= 1
    })
  }

  #answer(
    asked: { method: string; what: string | undefined; id: string; lane: string; text: string },
    response: ServerResponse,
  ): void {
    const { method, what, id, lane, text } = asked
    const json = (body: object): void => void response.end(JSON.stringify(body))
    if (what === 'libraries') json({ libraries: [] })
    else if (what === 'items')
      json({ id, mediaType: 'book', media: { duration, metadata: {}, chapters: [], tracks: [] } })
    else if (method === 'PATCH') {
      this.patches += 1
      this.records.set(lane, { isFinished: false, ebookProgress: 0, ...(JSON.parse(text) as object) })
      response.end('OK')
    } else if (this.records.has(lane)) json(this.records.get(lane)!)
    else response.writeHead(404).end('Not Found')
  }
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 })

/** Resolves to the milliseconds until the whole answer. */
async function ask(port: number, method: string, path: string, user: string, body?: object): Promise<number> {
  const headers = { 'x-auth-user': user, 'x-auth-key': 'key' }
  const began = performance.now()
  return await new Promise((resolve, reject) => {
    const asked = request({ port, method, path, headers, agent, host: '127.0.0.1' }, (response) => {
      if (response.statusCode! >= 400) reject(new Error(`${method} ${path}: ${response.statusCode}`))
      response.resume().on('end', () => resolve(performance.now() - began))
    })
    asked.on('error', reject).end(body && JSON.stringify(body))
  })
}

const percentile = (times: number[], part: number): number =>
  times.toSorted((one, other) => one - other)[Math.ceil(times.length * part) - 1]!

const p99 = (times: number[]): string => `${percentile(times, 0.99).toFixed(1)} ms`

const residentMiB = (pid: number): number =>
  Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024)

try {
  await bench(Number(process.argv[2] ?? 600), Number(process.argv[3] ?? 200))
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exitCode = 1
} finally {
  killAll()
  agent.destroy()
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

async function bench(seconds: number, rate: number): Promise<void> {
  const stub = new Stub()
  await stub.start()
  const dir = mkdtempSync(join(tmpdir(), 'kss-abs-'))
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }))
  const { port, pid, stop } = await start(dir, {
    AUDIOBOOKSHELF_BASE_URL: stub.url,
    AUDIOBOOKSHELF_USER_MAP: JSON.stringify(Object.fromEntries(users.map((user) => [user, `key-of-${user}`]))),
    AUDIOBOOKSHELF_DOCUMENT_MAP: JSON.stringify(Object.fromEntries(documents.map((each) => [each, `item-${each}`]))),
  })
  await register(port)
  const outbox = (): number => readdirSync(join(dir, '.audiobookshelf', 'outbox')).length
  const pushTimes: number[] = []
  const memory = [residentMiB(pid)]
  const waiting: number[] = []
  const began = performance.now()
  const total = seconds * rate
  const sending: Promise<void>[] = []
  for (let n = 0; n < total; n += 1) {
    const wait = began + (n * 1000) / rate - performance.now()
    if (wait > 1) await sleep(wait)
    const user = users[n % users.length]!
    const document = documents[Math.floor(n / users.length) % documents.length]!
    const percentage = 0.01 + (0.98 * n) / total
    const body = { document, percentage, progress: `/body/DocFragment[1]/body/p[${n}].0`, device: 'kobo' }
    sending.push(ask(port, 'PUT', '/syncs/progress', user, body).then((ms) => void pushTimes.push(ms)))
    if (n % (rate * 10) === 0) {
      memory.push(residentMiB(pid))
      waiting.push(outbox())
    }
  }
  await Promise.all(sending)
  const ended = performance.now()
  while (outbox() > 0) await sleep(100)
  const drained = performance.now() - ended
  memory.push(residentMiB(pid))
  print(`${total} pushes in ${((ended - began) / 1000).toFixed(0)} s, p99 ${p99(pushTimes)}`)
  print(`Audiobookshelf: ${stub.requests} requests, ${stub.patches} writes, ${stub.records.size} records`)
  print(`In flight at most: ${stub.mostOfItem} of a user and item, ${stub.mostAtOnce} in all`)
  print(`Outbox: ${waiting.join(', ')} each 10 s; empty after ${(drained / 1000).toFixed(1)} s`)
  print(`Memory: ${memory.join(', ')} MiB`)
  await sleep(4000)
  const linked = (n: number): string => documents[n % documents.length]!
  print(`Pulls while it answers: p99 ${p99(await pullAll(port, linked))}`)
  stub.hangs = true
  const [first = 0, ...later] = await pullAll(port, linked)
  print(`Pulls while it hangs: the first ${first.toFixed(0)} ms, then p99 ${p99(later)}`)
  const without = await start(join(dir, 'without'), {})
  await register(without.port)
  for (const [name, server] of [
    ['while it hangs', port],
    ['without the bridge', without.port],
  ] as const) {
    const pushes = await pushAll(server)
    const pulls = await pullAll(server, () => unlinked)
    print(`A document without a link, ${name}: pushes p99 ${p99(pushes)}, pulls p99 ${p99(pulls)}`)
  }
  await without.stop()
  await stop()
}

async function start(dir: string, env: Record<string, string>): Promise<Server> {
  return await startServer(
    (free) => ['bin/kss.cjs', 'serve', '--host', '127.0.0.1', '--port', `${free}`, '--dir', dir],
    { KSS_REGISTRATIONS_PER_HOUR: '0', KSS_LOG_LEVEL: 'warn', ...env },
  )
}

async function register(port: number): Promise<void> {
  for (const user of users) {
    await ask(port, 'POST', '/users/create', user, { username: user, password: 'key' })
    // From now on its key is known, and costs no hash.
    await ask(port, 'GET', '/users/auth', user)
  }
}

async function pullAll(port: number, documentOf: (n: number) => string): Promise<number[]> {
  const times: number[] = []
  for (let n = 0; n < count; n += 1) {
    times.push(await ask(port, 'GET', `/syncs/progress/${documentOf(n)}`, users[n % users.length]!))
  }
  return times
}

async function pushAll(port: number): Promise<number[]> {
  const times: number[] = []
  for (let n = 0; n < count; n += 1) {
    const body = { document: unlinked, percentage: n / count, progress: `${n}`, device: 'kobo' }
    times.push(await ask(port, 'PUT', '/syncs/progress', users[n % users.length]!, body))
  }
  return times
}
