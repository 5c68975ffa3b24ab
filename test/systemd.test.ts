import { execFile, spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { settings } from '../src/config.ts'
import { startServer, syncOnce } from './server-process.ts'
import { launcher } from './launcher.ts'

const run = promisify(execFile)
const project = join(import.meta.dirname, '..')
const unit = join(project, 'docs', 'kss.service')
const text = await readFile(unit, 'utf8')

/** The offline part of `systemd-analyze security` came with systemd 250. */
const systemd = Number(/^systemd (\d+)/.exec(versionOf('systemd-analyze'))?.[1] ?? 0)
const analyze = systemd >= 250 ? {} : { skip: 'systemd-analyze of systemd 250 or newer is not on this machine' }
const trace = versionOf('strace') ? analyze : { skip: 'strace is not on this machine' }

function versionOf(program: string): string {
  return spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout ?? ''
}

/** All values of a setting; systemd reads one that stands twice as a list. */
function valuesOf(name: string): string[] {
  return text.split('\n').flatMap((line) => (line.startsWith(`${name}=`) ? line.slice(name.length + 1).split(' ') : []))
}

t.test('the unit has its settings from the file that commands read, and its data in the state directory', async (t) => {
  t.same(valuesOf('Environment'), ['NODE_ENV=production'])
  t.same(valuesOf('EnvironmentFile'), ['/etc/kss.env'])
  t.same(valuesOf('StateDirectory'), ['kss'])
  const [, makeFile = ''] = /^# +(echo .*)$/m.exec(text) ?? []
  const file = join(t.testdir({}), 'kss.env')
  await run('sh', ['-c', makeFile.replace('/etc/kss.env', file)])
  const { stdout } = await run(process.execPath, [launcher, 'config', '--json', '--env-file', file])
  const shown = JSON.parse(stdout) as { name: string; value: unknown }[]
  t.equal(shown.find(({ name }) => name === 'KSS_DIR')?.value, '/var/lib/kss')
})

t.test('verified keys survive a restart of the unit, in a folder that no other user sees', async (t) => {
  t.same(valuesOf('RuntimeDirectory'), ['kss'])
  t.same(valuesOf('RuntimeDirectoryMode'), ['0700'])
  t.same(valuesOf('RuntimeDirectoryPreserve'), ['restart'])
})

t.test('the unit names only settings that there are', async (t) => {
  const names = Object.keys(settings.properties)
  t.same(
    (text.match(/\bKSS_[A-Z_]+/g) ?? []).filter((name) => name !== 'KSS_NAME' && !names.includes(name)),
    [],
  )
})

t.test('the unit leaves memory executable, which Node needs', async (t) => {
  t.same(valuesOf('MemoryDenyWriteExecute'), [])
})

t.test('systemd has nothing to say about the unit', analyze, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kss-test-'))
  t.teardown(() => rm(folder, { recursive: true }))
  // kss is not installed on the machine that tests it: Node stands in for it.
  const copy = text.replace('\nExecStart=kss ', `\nExecStart=${process.execPath} `)
  t.not(copy, text)
  await writeFile(join(folder, 'kss.service'), copy)
  const { stdout, stderr } = await run('systemd-analyze', ['verify', join(folder, 'kss.service')])
  t.equal(stdout + stderr, '')
})

t.test('systemd has nothing to say about the units of the backup', analyze, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kss-test-'))
  t.teardown(() => rm(folder, { recursive: true }))
  for (const name of ['kss-backup.service', 'kss-backup.timer']) {
    const said = await readFile(join(project, 'docs', name), 'utf8')
    await writeFile(join(folder, name), said.replace('\nExecStart=kss ', `\nExecStart=${process.execPath} `))
  }
  const units = [join(folder, 'kss-backup.service'), join(folder, 'kss-backup.timer')]
  const { stdout, stderr } = await run('systemd-analyze', ['verify', ...units])
  t.equal(stdout + stderr, '')
})

t.test('the unit of the backup starts a command that there is, for the data folder of the server', async (t) => {
  const said = await readFile(join(project, 'docs', 'kss-backup.service'), 'utf8')
  const [, command = ''] = /^ExecStart=kss (.+)$/m.exec(said) ?? []
  const [, dir = ''] = /KSS_DIR=(\S+)/.exec(said) ?? []
  t.equal(dir, '/var/lib/kss')
  const folder = await mkdtemp(join(tmpdir(), 'kss-test-'))
  t.teardown(() => rm(folder, { recursive: true }))
  await mkdir(join(folder, 'data', 'ann'), { recursive: true })
  await writeFile(join(folder, 'data', 'ann', 'auth.json'), '{"x-auth-user":"ann","x-auth-key":"K"}')
  const target = join(folder, 'backups')
  await mkdir(target)
  const args = command.replace('/var/backups/kss', target).split(' ')
  const env = { ...process.env, KSS_DIR: join(folder, 'data') }
  await run(process.execPath, [launcher, ...args], { env })
  t.equal((await readdir(target)).length, 1)
})

t.test('systemd rates the exposure of the unit at 2.0 or less', analyze, async (t) => {
  await t.resolves(run('systemd-analyze', ['security', '--offline=true', '--threshold=20', unit]))
})

t.test('a server needs no system call and no socket that the unit forbids', trace, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kss-test-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const log = join(folder, 'calls')
  const command = ['env', `RUNTIME_DIRECTORY=${folder}`, 'strace', '-f', '-qq', '-o', log, process.execPath, launcher]
  const server = await startServer(t, command, join(folder, 'state'))
  await syncOnce(server.url)
  t.equal(await server.stop(), 0)

  const calls = await readFile(log, 'utf8')
  const used = new Set(Array.from(calls.matchAll(/^\d+ +(\w+)\(/gm), ([, name = '']) => name))
  t.ok(used.has('listen'), 'strace saw the server')
  t.ok(used.has('statfs'), 'and how it looks at the runtime folder')
  const allowed = await allowedCalls()
  t.same(
    [...used].filter((name) => !allowed.has(name)),
    [],
  )
  const families = new Set(Array.from(calls.matchAll(/ socket\((\w+)/g), ([, family = '']) => family))
  const allowedFamilies = valuesOf('RestrictAddressFamilies')
  t.same(
    [...families].filter((family) => !allowedFamilies.includes(family)),
    [],
  )
})

async function allowedCalls(): Promise<Set<string>> {
  const { stdout } = await run('systemd-analyze', ['syscall-filter', '--no-pager'])
  const groups = new Map<string, string[]>()
  for (const block of stdout.split(/\n(?=@)/)) {
    const [name = '', ...members] = block.split('\n').map((line) => line.trim())
    groups.set(
      name,
      members.filter((member) => /^@?\w/.test(member)),
    )
  }
  const expand = (name: string): string[] => (name.startsWith('@') ? (groups.get(name) ?? []).flatMap(expand) : [name])
  const allowed = new Set<string>()
  let forbid = false
  for (const value of text.split('\n').filter((line) => line.startsWith('SystemCallFilter='))) {
    const list = value.slice('SystemCallFilter='.length)
    forbid = list.startsWith('~')
    for (const name of list.replace('~', '').split(' ').flatMap(expand)) {
      if (forbid) allowed.delete(name)
      else allowed.add(name)
    }
  }
  return allowed
}
