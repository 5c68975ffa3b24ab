import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import pLimit from 'p-limit'
import type { Test } from 'tap'
import { byName } from '../store/by-name.ts'
import { kss, type Ended } from './kss.ts'
import { operatorCommands, run, runJson } from './run.ts'
import { copyOf, folder, places, serveHere, stateFolder } from './state-fixture.ts'
import { bundled } from '../launcher.ts'
import type { Redis } from '../redis.ts'

/** Lines that no test can run as they are. */
const excluded: Record<string, string> = {
  'kss serve --port 8080': 'it runs until it is stopped: serve.test.ts',
  'KSS_DISABLE_REGISTRATION=true kss serve --dir /srv/kss': 'it runs until it is stopped: serve.test.ts',
  'kss healthcheck https://sync.example/kosync': 'there is no such server: healthcheck.test.ts',
  'kss audiobookshelf status': 'it needs an Audiobookshelf: audiobookshelf.test.ts',
  'kss audiobookshelf retry': 'it needs an Audiobookshelf: audiobookshelf.test.ts',
  'kss audiobookshelf test alice': 'it needs an Audiobookshelf: audiobookshelf.test.ts',
  'kss audiobookshelf links alice': 'it needs an Audiobookshelf: audiobookshelf.test.ts',
  'kss audiobookshelf link alice 0123abc 55e1dc96-7b69-4533-9cb6-b4d23132ad96':
    'it needs an Audiobookshelf: audiobookshelf.test.ts',
  'kss audiobookshelf unlink alice 0123abc': 'it needs an Audiobookshelf: audiobookshelf.test.ts',
}

/** Lines that mean a running server. */
const needsServer = new Set(['kss healthcheck', 'kss healthcheck --env-file /etc/kss.env'])

/** Whom the line makes must not be there. */
const makesAlice = /^kss (user add|invite) alice\b/

/** What the commands say, and those that do something: without commands of their own. */
function helpOf(command: Command): { name: string; text: string }[] {
  if (command.commands.length > 0) return command.commands.flatMap((sub) => helpOf(sub))
  let text = ''
  command.configureOutput({ writeOut: (part) => (text += part) }).outputHelp()
  return [{ name: command.name(), text }]
}

/** Those that bin.ts defines itself, too: it knows all names. */
async function allHelp(t: Test): Promise<{ name: string; text: string }[]> {
  const program = await operatorCommands(() => undefined)
  const known = new Set(program.commands.map((command) => command.name()))
  const { stdout } = await kss(t, ['--help'])
  const names = [...stdout.matchAll(/^ {2}(\w+).* {2}/gm)].map(([, name = '']) => name)
  const own = names.filter((name) => !known.has(name) && name !== 'help')
  const texts = own.map(async (name) => ({ name, text: (await kss(t, [name, '--help'])).stdout }))
  return [...(await Promise.all(texts)), ...helpOf(program)]
}

const examplesOf = (text: string): string[] =>
  [...(text.split('\nExamples:\n')[1] ?? '').matchAll(/^ {2}\$ (.+)$/gm)].map(([, line = '']) => line)

/** What the lines name: books, a backup, and two folders. Resolves to the folder with all of it. */
async function workFolder(t: Test, backup: string, command: string[]): Promise<string> {
  const work = await folder(t)
  for (const name of ['bin', 'nas', 'new']) await mkdir(join(work, name))
  const words = command.map((word) => `"${word}"`)
  await writeFile(join(work, 'bin', 'kss'), `#!/bin/sh\nexec ${words.join(' ')} "$@"\n`)
  await chmod(join(work, 'bin', 'kss'), 0o755)
  await writeFile(join(work, 'Dune.epub'), 'Arrakis')
  await writeFile(join(work, 'kss.env'), 'KSS_LOG_LEVEL=warn\n')
  await mkdir(join(work, 'old', 'ann'), { recursive: true })
  await writeFile(join(work, 'old', 'ann', 'auth.json'), '{"x-auth-user":"ann","x-auth-key":"K"}')
  await writeFile(join(work, 'users.json'), '{"ann":{"userkey":"5ebe2294ecd0e0f08eab7690d2a6ee69"}}')
  await cp(backup, join(work, 'kss.tar.gz'))
  return work
}

async function runLine(line: string, work: string, settings: NodeJS.ProcessEnv): Promise<Ended> {
  const inPlace = line
    .replaceAll('/mnt/nas', join(work, 'nas'))
    .replaceAll('/srv/new', join(work, 'new'))
    .replaceAll('/etc/kss.env', join(work, 'kss.env'))
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('KSS_')))
  const child = spawn('bash', ['-c', `set -o pipefail; ${inPlace}`], {
    cwd: work,
    env: {
      ...clean,
      PATH: `${join(work, 'bin')}:${process.env['PATH']}`,
      PASSWORD: 'correct horse',
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => (ended.stdout += String(chunk)))
  child.stderr.on('data', (chunk) => (ended.stderr += String(chunk)))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...ended }
}

/** The examples that a test can run as they are, without a server or beside one, at most so many of each command. */
async function listLines(t: Test, beside: boolean, most = Infinity): Promise<string[]> {
  const all = await allHelp(t)
  t.ok(all.length > 25)
  for (const { name, text } of all) t.not(examplesOf(text).length, 0, `kss ${name} has an example`)
  const lines = all.map(({ text }) => examplesOf(text))
  for (const line of Object.keys(excluded)) t.ok(lines.flat().includes(line), `${line} is an example still`)
  const canRun = (line: string): boolean => !(line in excluded) && (beside || !needsServer.has(line))
  return lines.flatMap((each) => each.filter(canRun).slice(0, most))
}

/** State directories with alice and without her, and a backup of the first one. */
async function makeStates(t: Test): Promise<{ full: string; withoutAlice: string; backup: string }> {
  const full = await stateFolder(t, (store) =>
    byName(store).putProgress('alice', { ...places[0]!, document: '0a1b2c3d' }),
  )
  const withoutAlice = await copyOf(t, full)
  await run(withoutAlice, 'user', 'rm', 'alice', '--yes')
  const { path: backup } = await runJson<{ path: string }>(full, 'backup', 'create', join(withoutAlice, 'kss.tar.gz'))
  return { full, withoutAlice, backup }
}

interface ExampleOptions {
  /** Beside a running server. */
  beside?: boolean
  /** The words that start kss. */
  command?: string[]
  /** Examples of each command; all if left out. */
  most?: number
}

/** Runs the examples of every command, each on a state directory of its own. */
export async function testExamples(t: Test, options: ExampleOptions = {}): Promise<void> {
  const { beside = false, command = bundled, most } = options
  const lines = await listLines(t, beside, most)
  const { full, withoutAlice, backup } = await makeStates(t)
  const limit = pLimit(2)
  const tryLine = async (line: string): Promise<[string, Ended]> => {
    const dir = await copyOf(t, makesAlice.test(line) ? withoutAlice : full)
    const work = await workFolder(t, backup, command)
    const server = beside ? await serveHere(t, dir) : undefined
    const address = server && { KSS_HOST: '127.0.0.1', KSS_PORT: `${server.port}` }
    const ended = await runLine(line, work, { KSS_DIR: dir, ...address })
    await server?.close()
    return [line, ended]
  }
  const runs = lines.map((line) => limit(() => tryLine(line)))
  for (const [line, { code, stdout, stderr }] of await Promise.all(runs)) t.equal(code, 0, line, { stdout, stderr })
}

/** What is about a folder: the exit code on a Redis, and what it says. */
const refused = new Map<string, [code: number, stderr: RegExp]>([
  ['kss backup create', [2, /^KSS_STORE is set: there is no data folder for backups\./]],
  ['kss backup list', [2, /^This works on files, and KSS_STORE is set\./]],
  ['kss backup restore kss.tar.gz --dir /srv/new', [2, /^--dir names a folder, and KSS_STORE is set/]],
])

/** The settings differ, what no server tells, and a repair, which prints no place there. */
const hasOwnWords = /^kss (config|doctor|check --repair)/

/** Runs every example on a folder, where it must work, and on a database of its own: what they say must be the same. */
export async function testExamplesOnRedis(t: Test, redis: Redis): Promise<void> {
  const lines = await listLines(t, false)
  const { full, withoutAlice, backup } = await makeStates(t)
  const file = join(await folder(t), 'kss.env')
  await writeFile(file, `KSS_STORE=redis://${redis.host}/0\n`)
  t.equal((await run('/none', 'backup', 'restore', backup, '--env-file', file)).code, 0)
  const keys = (await redis.command(0, 'KEYS', '*')) as string[]
  const limit = pLimit(2)
  const tryLine = async (line: string, at: number): Promise<void> => {
    const dir = await copyOf(t, makesAlice.test(line) ? withoutAlice : full)
    const copied = makesAlice.test(line) ? ['kss:format'] : keys
    for (const key of copied) await redis.command(0, 'COPY', key, key, 'DB', `${at + 1}`)
    const onFolder = await runLine(line, await workFolder(t, backup, bundled), { KSS_DIR: dir })
    t.equal(onFolder.code, 0, line, { ...onFolder })
    const settings = { KSS_DIR: '/none', KSS_STORE: `redis://${redis.host}/${at + 1}` }
    const onRedis = await runLine(line, await workFolder(t, backup, bundled), settings)
    const [code, stderr] = refused.get(line) ?? []
    if (stderr) t.match(onRedis, { code, stderr }, line)
    else if (hasOwnWords.test(line)) t.match(onRedis, { code: 0, stderr: '' }, line)
    else t.same(wordsOf(onRedis), wordsOf(onFolder), line)
  }
  await Promise.all(lines.map((line, at) => limit(() => tryLine(line, at))))
  for (const line of refused.keys()) t.ok(lines.includes(line), `${line} is an example still`)
}

/** Without what differs from run to run, or is the place itself. */
function wordsOf({ code, stdout, stderr }: Ended): Ended {
  const plain = (text: string): string =>
    text
      .replaceAll(/^Data (folder|store): .*$/gm, 'Data: here')
      .replaceAll(/\/tmp\/[^\s"]+/g, 'PATH')
      // The minute may end between the two.
      .replaceAll(/ until \S+ \d\d:\d\d\b/g, ' until TIME')
      .replaceAll(/^Password: .*$/gm, 'Password: random')
      .replaceAll(/"bytes": \d+|\b[\d.]+K?B\b/g, 'SIZE')
  return { code, stdout: plain(stdout), stderr: plain(stderr) }
}
