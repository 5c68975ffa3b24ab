// kss beside koreader-sync-server, the official one, on the same Redis, which has each push on its disk before the answer.
// In the project's root, with redis-server and an nginx with the Lua module in the PATH:
//   npm run bench:official -- FOLDER
// FOLDER is a checkout of koreader-sync-server in which is also what it needs: gin/ of ostinelli/gin, resty/ of lua-resty-redis.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ask } from './answer.ts'
import { measure, type Costly, type Costs } from './costs.ts'
import { startKss, startRedis } from './engine.ts'
import { median } from './measure.ts'
import { operations, type Operation } from './options.ts'
import { freePort, killAll, startProgram } from './processes.ts'
import { makeReaders, requestsOf, seed } from './seed.ts'

const [source, ...more] = process.argv.slice(2)
if (source === undefined || more.length > 0) {
  process.stderr.write('npm run bench:official -- FOLDER\n')
  process.exit(2)
}
const requests = 5000
const rounds = 7

/** Where Debian has them. */
const modules = ['ndk_http_module', 'ngx_http_lua_module'].map((name) => `/usr/lib/nginx/modules/${name}.so`)

const folder = mkdtempSync(join(tmpdir(), 'kss-official-'))
process.once('SIGTERM', () => process.exit(1)).once('SIGINT', () => process.exit(1))
process.once('exit', () => {
  killAll()
  rmSync(folder, { recursive: true, force: true })
})
console.log(`Node ${process.version}, ${availableParallelism()} cores, load ${loadavg()[0]!.toFixed(1)}`)
const engine = await startRedis(join(folder, 'redis'))
// The official server knows no hashes.
const kss = await startKss(engine, { KSS_HASH_KEYS: 'false' })
const readers = makeReaders(10, 1000)
await seed(kss.port, readers)
const official = await startOfficial(source, engine.port)
for (const operation of operations) await compare(operation)
console.log(`Load at the end: ${loadavg()[0]!.toFixed(1)}`)
process.exit()

async function compare(operation: Operation): Promise<void> {
  const sent = requestsOf(operation, readers)
  for (const server of [kss, official]) await ask(server.port, sent[0]!)
  // The compilers' time.
  for (const server of [kss, official]) await measure(engine, [server], sent, requests)
  const pairs: [Costs, Costs][] = []
  for (let round = 0; round < rounds; round++) {
    // Pushes of which none repeats the one before it: kss keeps a history.
    const pushed = [0, 1, 2, 3, 4].flatMap((at) =>
      sent.map((request) => request.replace('0.4321', `0.${1000 + 5 * round + at}`)),
    )
    const own = await measure(engine, [kss], pushed, requests)
    pairs.push([own, await measure(engine, [official], pushed, requests)])
  }
  const of = (at: 0 | 1, key: keyof Costs): string => median(pairs.map((pair) => pair[at][key])).toFixed(1)
  const ratio = (value: (costs: Costs) => number): string =>
    median(pairs.map(([own, other]) => value(own) / value(other))).toFixed(2)
  const parts = ([0, 1] as const).map(
    (at) =>
      `${['kss', 'official'][at]} ${of(at, 'all')} µs and the engine ${of(at, 'engine')}, ${of(at, 'perSecond')}/s`,
  )
  console.log(`${operation}: ${parts.join('; ')}; kss / official: requests/s ${ratio(({ perSecond }) => perSecond)}, \
processor time ${ratio(({ all }) => all)}, with the engine's ${ratio(({ all, engine: its }) => all + its)}`)
}

/** As its own nginx.conf has it, but without TLS, and connections that stay as long as those of kss. */
async function startOfficial(checkout: string, redis: number): Promise<Costly> {
  const dir = join(folder, 'official')
  cpSync(checkout, dir, { recursive: true })
  for (const name of ['logs', 'tmp']) mkdirSync(join(dir, name), { recursive: true })
  const settings = join(dir, 'db/redis.lua')
  writeFileSync(settings, readFileSync(settings, 'utf8').replaceAll('port = 6379', `port = ${redis}`))
  const port = await freePort()
  const lines = [
    ...modules.map((path) => `load_module ${path};`),
    ...(process.getuid?.() === 0 ? ['user root;'] : []),
    'env GIN_ENV=production; pid tmp/nginx.pid; daemon off; worker_processes 4; error_log logs/error.log;',
    'events { worker_connections 4096; }',
    'http { sendfile on; lua_code_cache on; lua_package_path "./?.lua;;"; server {',
    `listen 127.0.0.1:${port}; keepalive_timeout 70; keepalive_requests 10000000;`,
    'access_log logs/access.log combined buffer=16k;',
    `location / { content_by_lua 'require("gin.core.router").handler(ngx)'; } } }`,
  ]
  writeFileSync(join(dir, 'tmp/nginx.conf'), lines.join('\n'))
  const { pid } = startProgram('nginx', ['-p', `${dir}/`, '-c', 'tmp/nginx.conf'], dir)
  const [first] = requestsOf('auth', readers)
  while (!(await ask(port, first!).catch(() => undefined))) await sleep(50)
  const workers = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  return { port, pids: workers.map(Number) }
}
