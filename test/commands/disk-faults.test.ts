import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdtempSync, openSync, rmdirSync } from 'node:fs'
import { appendFile, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { hasNoTemps } from '../has-no-temps.ts'
import { until } from '../until.ts'
import { launcher } from '../launcher.ts'
import { serve, type Server } from './kss.ts'
import { freePort } from '../free-port.ts'

const key = '5ebe2294ecd0e0f08eab7690d2a6ee69'
const headers = { 'x-auth-user': 'ann', 'x-auth-key': key }

interface Reader {
  server: Server
  push: (progress: string, document?: string) => Promise<number>
  /** The progress; the status when there is no record. */
  pull: (document?: string) => Promise<string | number>
}

/** A reader of a running server, who has pushed `old`. */
async function read(t: Test, dir: string): Promise<Reader> {
  const server = await serve(t, dir)
  const reader = await readAt(server.url)
  t.equal(await reader.push('old'), 200)
  return { server, ...reader }
}

/** A reader who has just registered. */
async function readAt(url: string): Promise<Omit<Reader, 'server'>> {
  const push = async (progress: string, document = 'dune'): Promise<number> => {
    const body = JSON.stringify({ document, percentage: 0.5, progress, device: 'kobo' })
    return (await fetch(`${url}/syncs/progress`, { method: 'PUT', headers, body })).status
  }
  const pull = async (document = 'dune'): Promise<string | number> => {
    const reply = await fetch(`${url}/syncs/progress/${document}`, { headers })
    return ((await reply.json()) as { progress?: string }).progress ?? reply.status
  }
  const body = JSON.stringify({ username: 'ann', password: key })
  await fetch(`${url}/users/create`, { method: 'POST', body })
  return { push, pull }
}

/** Resolves when the first push of `read` is in its file, and no segment is being made: the server has nothing to do then. */
async function writtenBehind(dir: string): Promise<void> {
  await until(async () => (await readdir(join(dir, 'ann'))).includes('dune.json'))
  await until(() => hasNoTemps(join(dir, '.wal')))
}

const isWell = async ({ server }: Reader): Promise<boolean> => (await fetch(`${server.url}/healthcheck`)).ok

/** Attaches strace with these options to all threads of the process; resolves to what detaches it. */
async function strace(t: Test, pid: number, options: string[]): Promise<() => Promise<void>> {
  const child = spawn('strace', ['-f', '-qq', '-o', '/dev/null', ...options, '-p', `${pid}`], { stdio: 'ignore' })
  t.teardown(() => child.kill('SIGKILL'))
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    while (/^TracerPid:\t0$/m.test(await readFile(`/proc/${pid}/task/${thread}/status`, 'utf8'))) await sleep(10)
  }
  return async () => {
    child.kill('SIGINT')
    await once(child, 'close')
  }
}

const noStrace = spawnSync('strace', ['-V']).status !== 0 && 'strace is not on this machine'

/** Whether the log appends to a preallocated segment, and has another one for later. */
async function isPreallocated(dir: string): Promise<boolean> {
  const names = (await readdir(join(dir, '.wal'))).toSorted().slice(-2)
  const all = await Promise.all(names.map(async (name) => (await stat(join(dir, '.wal', name))).size === 8 * 2 ** 20))
  return names.length === 2 && all.every(Boolean)
}

t.test('a lone push costs one flush, of its data alone', { skip: noStrace }, async (t) => {
  const dir = t.testdir({ state: {}, trace: '' })
  const { server, push } = await read(t, join(dir, 'state'))
  await writtenBehind(join(dir, 'state'))
  for (let number = 0; !(await isPreallocated(join(dir, 'state'))); number++) {
    t.equal(await push(`${number}`), 200)
    await writtenBehind(join(dir, 'state'))
  }
  const trace = join(dir, 'trace')
  const detach = await strace(t, server.child.pid!, ['-e', 'trace=fsync,fdatasync,sync_file_range,msync', '-o', trace])
  t.equal(await push('new'), 200)
  const flushes = (await readFile(trace, 'utf8')).trim().split('\n')
  t.match(flushes, [/ fdatasync\(\d+\) += 0$/])
  t.equal(flushes.length, 1)
  await detach()
  await server.stop()
})

t.test('flushes that do not end do not hold up who reads', { skip: noStrace }, async (t) => {
  const reader = await read(t, t.testdir({}))
  const { server, push, pull } = reader
  const slow = ['-e', 'trace=fsync,fdatasync', '-e', 'inject=fsync,fdatasync:delay_enter=60000000']
  const detach = await strace(t, server.child.pid!, slow)
  const order: string[] = []
  const pushed = ['a', 'b', 'c', 'd'].map(async (progress) => {
    t.equal(await push(progress, progress), 200)
    order.push('pushed')
  })
  for (let pulls = 0; pulls < 20; pulls++) {
    t.equal(await pull(), 'old')
    t.equal(await pull('unknown'), 200)
    t.ok(await isWell(reader))
  }
  order.push('pulled')
  await detach()
  await Promise.all(pushed)
  t.equal(order[0], 'pulled')
  await server.stop()
})

for (const [what, options, status] of [
  ['EIO at every flush', ['fsync,fdatasync', 'fsync,fdatasync:error=EIO'], 503],
  ['ENOSPC at every write to a file', ['write,pwrite64,writev', 'write,pwrite64,writev:error=ENOSPC'], 507],
  ['EDQUOT at every write to a file', ['write,pwrite64,writev', 'write,pwrite64,writev:error=EDQUOT'], 507],
] as const) {
  t.test(
    `${what}: ${status}, the old value stays, and all goes on without a restart`,
    { skip: noStrace },
    async (t) => {
      const dir = t.testdir({})
      const reader = await read(t, dir)
      const { server, push, pull } = reader
      await writtenBehind(dir)
      const segments = await readdir(join(dir, '.wal'))
      const [trace, inject] = options
      const path = status === 507 ? segments.flatMap((name) => ['-P', join(dir, '.wal', name)]) : []
      const fault = ['-e', `trace=${trace}`, '-e', `inject=${inject}`, ...path]
      const detach = await strace(t, server.child.pid!, fault)
      t.equal(await push('lost'), status)
      t.equal(await pull(), 'old')
      t.ok(await isWell(reader))
      await detach()
      t.equal(await push('new'), 200)
      t.equal(await pull(), 'new')
      await server.stop()
      t.match(JSON.parse(await readFile(join(dir, 'ann', 'dune.json'), 'utf8')), { progress: 'new' })
      t.notMatch(await readFile(join(dir, 'ann', 'history', 'dune.jsonl'), 'utf8'), /lost/)
    },
  )
}

for (const code of ['EMFILE', 'EACCES', 'EIO']) {
  t.test(`${code} at every open of a file: what is known is served, the rest is 503`, { skip: noStrace }, async (t) => {
    const dir = t.testdir({})
    const reader = await read(t, dir)
    const { server, push, pull } = reader
    await writtenBehind(dir)
    const detach = await strace(t, server.child.pid!, ['-e', 'trace=openat', '-e', `inject=openat:error=${code}`])
    t.equal(await pull(), 'old')
    t.equal(await pull('unknown'), 503)
    t.equal(await push('unknown', 'other'), 503)
    t.ok(await isWell(reader))
    await detach()
    t.equal(await pull('unknown'), 200)
    t.equal(await push('new', 'other'), 200)
    await server.stop()
  })
}

function mount(...args: string[]): boolean {
  return spawnSync('mount', args).status === 0
}

/** A small disk of its own; undefined where one may not be mounted. */
function mountDisk(t: Test): string | undefined {
  const disk = mkdtempSync(join(tmpdir(), 'kss-test-'))
  t.teardown(() => {
    spawnSync('umount', ['-l', disk])
    rmdirSync(disk)
  })
  return mount('-t', 'tmpfs', '-o', 'size=512k,mode=0700', 'tmpfs', disk) ? disk : undefined
}

/** Takes all the room that is left. Again before each push: a segment that is preallocated meanwhile gives its room back. */
async function fill(filler: string): Promise<void> {
  await appendFile(filler, Buffer.alloc(1024 * 1024)).catch(() => undefined)
}

const noFull = !existsSync('/dev/full') && 'there is no /dev/full'

const noMount = 'only root on Linux may mount a disk'

t.test('a full disk is 507, keeps what was acknowledged over a kill -9, and goes on when there is room', async (t) => {
  const disk = mountDisk(t)
  if (disk === undefined) {
    t.pass(noMount, { skip: noMount })
    return
  }
  const reader = await read(t, disk)
  // There is no room to preallocate a segment: its temporary file is gone again.
  await writtenBehind(disk)
  const filler = join(disk, 'filler')
  let acknowledged = 'old'
  let status = 200
  // The page that the log has already takes some more.
  for (let push = 0; status === 200 && push < 200; push++) {
    await fill(filler)
    status = await reader.push(`${push}`)
    if (status === 200) acknowledged = `${push}`
  }
  t.equal(status, 507)
  t.equal(await reader.pull(), acknowledged)
  t.ok(await isWell(reader))
  await reader.server.stop('SIGKILL')
  const server = await serve(t, disk)
  const pull = async () => (await (await fetch(`${server.url}/syncs/progress/dune`, { headers })).json()) as object
  t.match(await pull(), { progress: acknowledged }, 'read from the log, on a disk that is still full')
  await rm(filler)
  const written = (): Promise<string> => readFile(join(disk, 'ann', 'dune.json'), 'utf8').catch(() => 'not there yet')
  await until(async () => (await written()).includes(`"progress":"${acknowledged}"`))
  t.equal(await server.stop(), 0)
  t.same(await readdir(join(disk, '.wal')), [])
})

t.test('a disk that becomes read-only is 503, and goes on when it can be written again', async (t) => {
  const disk = mountDisk(t)
  if (disk === undefined) {
    t.pass(noMount, { skip: noMount })
    return
  }
  const reader = await read(t, disk)
  await writtenBehind(disk)
  // A new file has to be begun: the open one would still take a push on some systems.
  for (const name of await readdir(join(disk, '.wal'))) await rm(join(disk, '.wal', name))
  t.equal(await reader.push('lost'), 503)
  t.ok(mount('-o', 'remount,ro', disk))
  t.equal(await reader.push('lost'), 503)
  t.equal(await reader.pull(), 'old')
  t.ok(await isWell(reader))
  t.ok(mount('-o', 'remount,rw', disk))
  t.equal(await reader.push('new'), 200)
  t.equal(await reader.pull(), 'new')
  t.equal(await reader.server.stop(), 0)
})

/** Starts `kss serve` with this standard output; resolves to its address when it answers. */
async function serveTo(t: Test, dir: string, stdout: number | 'pipe', log: string): Promise<ServerTo> {
  const port = await freePort()
  const args = ['serve', '--host', '127.0.0.1', '--port', `${port}`, '--dir', dir, '--log-format', log]
  const child = spawn(process.execPath, [launcher, ...args], { stdio: ['ignore', stdout, 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const url = `http://127.0.0.1:${port}`
  const isUp = (): Promise<boolean> =>
    fetch(`${url}/healthcheck`).then(
      ({ ok }) => ok,
      () => false,
    )
  while (!(await isUp())) await sleep(50)
  const stop = async (): Promise<unknown> => {
    child.kill('SIGTERM')
    return (await once(child, 'exit'))[0]
  }
  return { url, stop }
}

interface ServerTo {
  url: string
  /** Resolves to the exit code. */
  stop: () => Promise<unknown>
}

t.test('a log and data on one full disk: pushes are 507, reads go on, lines are counted, and it stops', async (t) => {
  const disk = mountDisk(t)
  if (disk === undefined) {
    t.pass(noMount, { skip: noMount })
    return
  }
  const path = join(disk, 'log')
  const log = openSync(path, 'a')
  t.teardown(() => closeSync(log))
  const { url, stop } = await serveTo(t, join(disk, 'state'), log, 'json')
  const { push, pull } = await readAt(url)
  t.equal(await push('old'), 200)
  const filler = join(disk, 'filler')
  let status = 200
  for (let number = 0; status === 200 && number < 200; number++) {
    await fill(filler)
    status = await push(`${number}`)
  }
  t.equal(status, 507)
  for (let pulls = 0; pulls < 100; pulls++) t.type(await pull(), 'string')
  await rm(filler)
  const isTold = async (): Promise<boolean> =>
    /"dropped":\d+,"msg":"log lines were dropped/.test(await readFile(path, 'utf8'))
  for (let pulls = 0; !(await isTold()); pulls++) t.type(await pull(), 'string')
  while ((await push('new')) !== 200) await sleep(100)
  await fill(filler)
  t.equal(await stop(), 0, 'also while the disk is full again')
})

for (const log of ['json', 'pretty']) {
  t.test(`a ${log} log that cannot be written at all keeps nobody waiting`, { skip: noFull }, async (t) => {
    const full = openSync('/dev/full', 'w')
    t.teardown(() => closeSync(full))
    const { url, stop } = await serveTo(t, t.testdir({}), full, log)
    const { push, pull } = await readAt(url)
    t.equal(await push('old'), 200)
    t.equal(await pull(), 'old')
    t.equal(await stop(), 0)
  })

  t.test(`a ${log} log that nobody reads keeps nobody waiting, nor the server from its end`, async (t) => {
    const { url, stop } = await serveTo(t, t.testdir({}), 'pipe', log)
    const { push, pull } = await readAt(url)
    t.equal(await push('old'), 200)
    // More than a pipe or a socket has room for.
    for (let requests = 0; requests < 100; requests++) await fetch(`${url}/${'a'.repeat(10_000)}`)
    t.equal(await pull(), 'old')
    t.equal(await stop(), 0)
  })
}

t.test('a flush that takes over a second is told', { skip: noStrace }, async (t) => {
  const dir = t.testdir({ state: {} })
  const { server, push } = await read(t, join(dir, 'state'))
  const slow = ['-e', 'trace=fsync,fdatasync', '-e', 'inject=fsync,fdatasync:delay_enter=1500000']
  const detach = await strace(t, server.child.pid!, slow)
  t.equal(await push('1'), 200)
  await until(async () => server.log.some(({ msg }) => / took \d\.\d seconds for a flush/.test(String(msg))))
  await detach()
  await server.stop()
})

t.test('a disk that hangs at a look for changed files holds up no health check', { skip: noStrace }, async (t) => {
  const dir = t.testdir({ state: {} })
  const reader = await read(t, join(dir, 'state'))
  t.equal(await reader.push('1'), 200)
  await writtenBehind(join(dir, 'state'))
  const calls = 'statx,stat,lstat,newfstatat'
  const detach = await strace(t, reader.server.child.pid!, ['-e', `inject=${calls}:delay_enter=5000000`])
  // Served from memory, until the last look at the file is a second ago.
  let isDone = true
  let pull: Promise<unknown> = Promise.resolve()
  while (isDone) {
    isDone = false
    pull = reader.pull().finally(() => (isDone = true))
    await Promise.race([pull, sleep(300)])
  }
  t.ok(await isWell(reader))
  t.equal(isDone, false, 'it hangs')
  await pull
  await detach()
  await reader.server.stop()
})
