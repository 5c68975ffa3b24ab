// How long readers wait after a restart: nobody is known, so each log-in costs a hash; with a tmpfs, everybody
// is. In the project's root:
//   npm run bench:restart [-- accounts [scrypt cost [tmpfs]]]
import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { killAll, startServer, type Server } from './processes.ts'
import { makeReaders, register, type Reader } from './seed.ts'

interface Answer {
  status: number
  /** Seconds to wait before the next try. */
  retryAfter: number
  /** Milliseconds from the connect to the end of the answer. */
  ms: number
}

/** How one reader got its push in. */
interface Course {
  answers: Answer[]
  /** Milliseconds from the first connect to the 200. */
  doneMs: number
}

try {
  await bench(Number(process.argv[2] ?? 500), process.argv[3] ?? '14', process.argv[4])
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exitCode = 1
} finally {
  killAll()
}

async function bench(accounts: number, cost: string, tmpfs?: string): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'kss-restart-'))
  const runtime = tmpfs && mkdtempSync(join(tmpfs, 'kss-restart-'))
  process.once('exit', () => {
    for (const path of [dir, runtime]) if (path) rmSync(path, { recursive: true, force: true })
  })
  const limits = { KSS_REGISTRATIONS_PER_HOUR: '0' }
  const settings = { KSS_SCRYPT_COST: cost, ...limits, ...(runtime && { RUNTIME_DIRECTORY: runtime }) }
  const start = (): Promise<Server> =>
    startServer((port) => ['bin/kss.cjs', 'serve', '--port', `${port}`, '--dir', dir], settings)
  const readers = makeReaders(accounts, accounts)
  const before = await start()
  for (const reader of readers) await register(before.port, reader)
  if (runtime) await Promise.all(readers.map((reader, at) => push(before.port, reader, addressOf(at))))
  await before.stop()
  const server = await start()
  const [load = 0] = loadavg()
  const courses = await Promise.all(readers.map((reader, at) => push(server.port, reader, addressOf(at))))
  await server.stop()
  process.stdout.write(formatReport(courses, cost, load))
}

/** Each reader has one of its own, or the limits per address would count them as one. */
function addressOf(at: number): string {
  return `127.1.${Math.floor(at / 250)}.${(at % 250) + 1}`
}

/** Tries until the push is in, as late each time as the server says. */
async function push(port: number, reader: Reader, localAddress: string): Promise<Course> {
  const start = performance.now()
  const answers: Answer[] = []
  for (;;) {
    const answer = await put(port, reader, localAddress)
    answers.push(answer)
    if (answer.status === 200) return { answers, doneMs: performance.now() - start }
    if (answer.status !== 503) throw new Error(`Unexpected answer to ${reader.username}: ${answer.status}`)
    await sleep(answer.retryAfter * 1000)
  }
}

/** One push over a connection of its own, as KOReader does. */
function put(port: number, { username, key, documents }: Reader, localAddress: string): Promise<Answer> {
  const body = JSON.stringify({ document: documents[0], percentage: 0.25, progress: '/body/p[7]', device: 'kobo' })
  const headers = { 'x-auth-user': username, 'x-auth-key': key, 'content-length': body.length }
  const start = performance.now()
  return new Promise((resolve, reject) => {
    const target = { host: '127.0.0.1', port, localAddress, agent: false, method: 'PUT', path: '/syncs/progress' }
    const sent = request({ ...target, headers }, (response) => {
      const { statusCode: status = 0, headers: answered } = response
      response.on('error', reject).resume()
      response.on('end', () => {
        resolve({ status, retryAfter: Number(answered['retry-after'] ?? 1), ms: performance.now() - start })
      })
    })
    sent.on('error', reject).end(body)
  })
}

function formatReport(courses: Course[], cost: string, load: number): string {
  const answers = courses.flatMap((course) => course.answers)
  const soon = courses.filter(({ doneMs }) => doneMs <= 1000).length
  const last = Math.max(...courses.map(({ doneMs }) => doneMs)) / 1000
  const longest = Math.max(...answers.map(({ ms }) => ms)) / 1000
  const refused = answers.filter(({ status }) => status === 503).length
  return `
Node ${process.version}: ${courses.length} readers after a restart, KSS_SCRYPT_COST=${cost}, load ${load.toFixed(1)}
Served within 1 s    ${((100 * soon) / courses.length).toFixed(0)} %
The last one after   ${last.toFixed(1)} s
The longest answer   ${longest.toFixed(2)} s
Answers of 503       ${refused}
Hashes a second      ${(courses.length / last).toFixed(0)}
`
}
