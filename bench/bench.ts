// npm run bench: kss beside a bare node:http server that looks the same records up. Runs in the project's root.
import { mkdtempSync, rmSync } from 'node:fs'
import { open, writeFile } from 'node:fs/promises'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { measureRow, median, type Row, type Servers } from './measure.ts'
import { help, readOptions, type Options } from './options.ts'
import { killAll, memory, startGenerator, startServer, type Server } from './processes.ts'
import { formatReport, type Report } from './report.ts'
import { makeReaders, recordAnswers, requestsOf, seed } from './seed.ts'

type Readers = ReturnType<typeof makeReaders>
type Start = Servers<() => Promise<Server>>

try {
  const options = readOptions(process.argv.slice(2))
  if (options) await bench(options)
  else process.stdout.write(help)
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  // Not just the exit code: the servers are still running.
  process.exit(1)
}

async function bench(options: Options): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'kss-bench-'))
  process.once('exit', () => {
    killAll()
    rmSync(folder, { recursive: true, force: true })
  })
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
  const report = await runAll(options, folder)
  process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : formatReport(report))
  process.exit()
}

async function runAll(options: Options, folder: string): Promise<Report> {
  const readers = makeReaders(options.users, options.documents)
  const start = await prepare(folder, readers)
  const coldStart = await measureColdStarts(start, options.coldStarts)
  const servers = { kss: await start.kss(), bare: await start.bare() }
  // After some seconds without work the engine gives back what the start took.
  await sleep(10_000)
  const idle = memoryOf(servers)
  const rows = await measureRows(servers, readers, options)
  const loaded = memoryOf(servers)
  const flush = await measureFlush(join(folder, 'flush'))
  return {
    node: process.version,
    cpu: `${availableParallelism()} × ${cpus()[0]?.model.trim()}`,
    flush,
    coldStart,
    memory: { idle: pick(idle, 'now'), loaded: pick(loaded, 'now'), peak: pick(loaded, 'peak') },
    rows,
  }
}

/** Seeds a data folder, and gives bare the same accounts and records. */
async function prepare(folder: string, readers: Readers): Promise<Start> {
  note('seeding')
  const data = join(folder, 'data')
  const records = join(folder, 'records.json')
  const kss = () => startServer((port) => ['bin/kss.cjs', 'serve', '--port', `${port}`, '--dir', data])
  const bare = () => startServer((port) => [sibling('bare'), `${port}`, records])
  const server = await kss()
  await seed(server.port, readers)
  await writeFile(records, JSON.stringify(await recordAnswers(server.port, readers)))
  await server.stop()
  return { kss, bare }
}

async function measureColdStarts(start: Start, times: number): Promise<Servers<number>> {
  note('cold starts')
  const coldStarts = { kss: [] as number[], bare: [] as number[] }
  for (let time = 0; time < times; time++) {
    for (const name of ['kss', 'bare'] as const) {
      const server = await start[name]()
      coldStarts[name].push(server.coldStart)
      await server.stop()
    }
  }
  return { kss: median(coldStarts.kss), bare: median(coldStarts.bare) }
}

async function measureRows(servers: Servers, readers: Readers, options: Options): Promise<Row[]> {
  const generate = startGenerator(sibling('load'))
  const rows: Row[] = []
  for (const operation of options.only) {
    const requests = requestsOf(operation, readers)
    for (const connections of options.connections) {
      note(`${operation}, ${connections} connections`)
      rows.push(await measureRow(operation, connections, requests, { servers, generate, options }))
    }
  }
  return rows
}

async function measureFlush(path: string): Promise<number> {
  const file = await open(path, 'a')
  const times: number[] = []
  for (let time = 0; time < 50; time++) {
    const before = performance.now()
    await file.appendFile('x'.repeat(200))
    await file.sync()
    times.push(performance.now() - before)
  }
  await file.close()
  return median(times)
}

function memoryOf({ kss, bare }: Servers): Servers<ReturnType<typeof memory>> {
  return { kss: memory(kss.pid), bare: memory(bare.pid) }
}

function pick({ kss, bare }: ReturnType<typeof memoryOf>, name: 'now' | 'peak'): Servers<number | undefined> {
  return { kss: kss?.[name], bare: bare?.[name] }
}

/** A script beside this one, whether compiled (.js) or not (.ts). */
function sibling(name: string): string {
  return import.meta.filename.replace(/bench(\.[jt]s)$/, `${name}$1`)
}

function note(text: string): void {
  process.stderr.write(`${text}\n`)
}
