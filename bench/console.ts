// What the web console costs readers who sync, unused and in use. In the project's root:
//   npm run bench:console [-- --smoke] [-- --in-use]
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ask } from './answer.ts'
import { measureRow, median, type Row } from './measure.ts'
import { operations, readOptions, type Options } from './options.ts'
import { cpuMilliseconds, killAll, mainThreadSeconds, startGenerator, startServer, type Server } from './processes.ts'
import { makeReaders, passwordOf, requestsOf, seed } from './seed.ts'

const isSmoke = process.argv.includes('--smoke')

/** Two fresh processes each time: what the compiler makes of them differs by ten per cent. */
const starts = isSmoke ? 1 : 10

/** Books of the reader whose pages are looked at. */
const books = isSmoke ? 20 : 300

const viewsPerSecond = 100
const pushesPerSecond = 50
const seconds = isSmoke ? 1 : 20

/** Of views, and of pushes: a machine that cannot do as many a second must not collect them. */
const mostAtOnce = 50

const folder = mkdtempSync(join(tmpdir(), 'kss-console-'))
process.once('SIGTERM', () => process.exit(1)).once('SIGINT', () => process.exit(1))
process.once('exit', () => {
  killAll()
  rmSync(folder, { recursive: true, force: true })
})
if (!process.argv.includes('--in-use'))
  await compareUnused(readOptions(isSmoke ? ['--smoke'] : ['--requests', '5000', '--rounds', '3'])!)
await measureInUse()
process.exit()

function startConsole(name: string, isOn: boolean): Promise<Server> {
  const args = ['bin/kss.cjs', 'serve', '--dir', join(folder, name)]
  return startServer((port) => [...args, '--port', `${port}`], { KSS_CONSOLE: String(isOn) })
}

/** Processor time of the sync routes with a console that nobody uses, and without one. */
async function compareUnused(options: Options): Promise<void> {
  const readers = makeReaders(options.users, options.documents)
  const generate = startGenerator(join(import.meta.dirname, 'load.js'))
  const rows: Row[] = []
  for (let start = 0; start < starts; start++) {
    const servers = { on: await startConsole('on', true), off: await startConsole('off', false) }
    if (start === 0) for (const { port } of [servers.on, servers.off]) await seed(port, readers)
    // Each reader proves its key once.
    const proofs = { requests: requestsOf('auth', readers), connections: 1, seconds: 60, count: options.users }
    for (const { port } of [servers.on, servers.off]) await generate({ ...proofs, port })
    // Who is measured first in a round is not always the same one.
    const [kss, bare] = start % 2 === 0 ? [servers.on, servers.off] : [servers.off, servers.on]
    for (const operation of operations) {
      const row = await measureRow(operation, 64, requestsOf(operation, readers), {
        servers: { kss, bare },
        generate,
        options,
      })
      rows.push(kss === servers.on ? row : turned(row))
    }
    for (const server of [servers.on, servers.off]) await server.stop()
    process.stderr.write(`${start + 1} of ${starts} starts\n`)
  }
  console.log(`Main thread, µs a request, with the console that nobody uses and without it, of ${starts} starts`)
  for (const operation of operations) {
    const own = rows.filter((row) => row.operation === operation)
    const on = own.map(({ kss: { cpuPerRequest = NaN } }) => cpuPerRequest)
    const off = own.map(({ bare: { cpuPerRequest = NaN } }) => cpuPerRequest)
    const parts = [
      compare('the median', median(on), median(off)),
      // Other work on the machine makes a request longer, and never shorter.
      compare('the quickest quarter', quantile(on, 0.25), quantile(off, 0.25)),
      `the median of the ratios ${median(own.map(({ cpuRatio = NaN }) => cpuRatio)).toFixed(3)}`,
    ]
    console.log(`${operation}: ${parts.join('; ')}`)
  }
}

function compare(name: string, on: number, off: number): string {
  return `${name} ${on.toFixed(1)} and ${off.toFixed(1)}, ratio ${(on / off).toFixed(3)}`
}

function turned({ kss, bare, cpuRatio = NaN, ...row }: Row): Row {
  return { ...row, kss: bare, bare: kss, cpuRatio: 1 / cpuRatio }
}

/** How long pushes take while somebody looks at pages, and without that. */
async function measureInUse(): Promise<void> {
  const server = await startConsole('use', true)
  const [ann, ...others] = makeReaders(2, 2 * books)
  await seed(server.port, [ann!, ...others])
  const cookie = await signIn(server.port, ann!.username)
  const paths = ['/books', '/devices', '/books?q=a', '/help', `/books/${ann!.documents[0]}`, '/account']
  const pushes = requestsOf('put', others)
  const push = (at: number): Promise<unknown> => ask(server.port, pushes[at % pushes.length]!)
  const view = async (at: number): Promise<void> => {
    const response = await fetch(`http://127.0.0.1:${server.port}${paths[at % paths.length]}`, { headers: { cookie } })
    if (response.status !== 200) throw new Error(`${response.url}: ${response.status}`)
    await response.text()
  }
  // The compiler's time.
  await pace(viewsPerSecond, view)
  await tell('Pushes alone', server, [pace(pushesPerSecond, push)])
  await tell('Pushes, and views of pages', server, [pace(pushesPerSecond, push), pace(viewsPerSecond, view)])
  await server.stop()
}

async function tell(name: string, { pid }: Server, paced: Promise<number[]>[]): Promise<void> {
  const busy = (): number[] => [(mainThreadSeconds(pid) ?? NaN) * 1000, cpuMilliseconds(pid) ?? NaN]
  const before = busy()
  const [pushes = [], views = []] = await Promise.all(paced)
  const [main, all] = busy().map((after, at) => ((after - before[at]!) / seconds / 10).toFixed(0))
  const parts = [
    `${rateOf(pushes)} pushes/s: ${quantiles(pushes)}`,
    ...(views.length > 0 ? [`${rateOf(views)} views/s of ${books} books: ${quantiles(views)}`] : []),
    `busy: main thread ${main} %, all threads ${all} %`,
  ]
  console.log(`${name}: ${parts.join('; ')}`)
}

function rateOf(times: number[]): number {
  return Math.round(times.length / seconds)
}

/** Runs the work so many times a second, or as often as it can; resolves to how long each took. */
async function pace(perSecond: number, work: (at: number) => Promise<unknown>): Promise<number[]> {
  const start = performance.now()
  const times: Promise<number>[] = []
  let running = 0
  for (let at = 0; at < perSecond * seconds; at++) {
    await sleep(Math.max(start + (1000 * at) / perSecond - performance.now(), 0))
    if (running >= mostAtOnce) continue
    running += 1
    const begun = performance.now()
    times.push(
      work(at).then(() => {
        running -= 1
        return performance.now() - begun
      }),
    )
  }
  return await Promise.all(times)
}

function quantiles(times: number[]): string {
  return `p50 ${quantile(times, 0.5).toFixed(1)} ms, p99 ${quantile(times, 0.99).toFixed(1)} ms`
}

function quantile(values: number[], share: number): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length * share)] ?? NaN
}

/** Signs in as a browser does; resolves to the cookie. */
async function signIn(port: number, username: string): Promise<string> {
  const origin = `http://127.0.0.1:${port}`
  const front = await fetch(origin, { headers: { accept: 'text/html' } })
  const [, token = ''] = /name="token" value="([^"]*)"/.exec(await front.text()) ?? []
  const response = await fetch(`${origin}/sign-in`, {
    method: 'POST',
    redirect: 'manual',
    headers: { origin, cookie: cookieOf(front) },
    body: new URLSearchParams({ token, username, password: passwordOf(username) }),
  })
  if (response.status !== 303) throw new Error(`Cannot sign in: ${response.status}`)
  return cookieOf(response)
}

function cookieOf({ headers }: Response): string {
  return headers
    .getSetCookie()
    .map((cookie) => cookie.split(';', 1)[0])
    .join('; ')
}
