// What the web console costs readers who sync, unused and in use. In the project's root:
//   npm run bench:console [-- --smoke] [-- --in-use]
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ask } from './answer.ts'
import { comparePairs, quantile } from './pairs.ts'
import { cpuMilliseconds, killAll, mainThreadSeconds, startServer, type Server } from './processes.ts'
import { makeReaders, passwordOf, requestsOf, seed } from './seed.ts'

const isSmoke = process.argv.includes('--smoke')

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
if (!process.argv.includes('--in-use')) await comparePairs('the console that nobody uses', startConsole, isSmoke)
await measureInUse()
process.exit()

function startConsole(name: string, isOn: boolean): Promise<Server> {
  const args = ['bin/kss.cjs', 'serve', '--dir', join(folder, name)]
  return startServer((port) => [...args, '--port', `${port}`], { KSS_CONSOLE: String(isOn) })
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
