import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { unpackTar } from 'modern-tar'
import t, { type Test } from 'tap'
import { pushed } from '../store/contract.ts'
import { byName } from '../store/by-name.ts'
import { faultyDisk } from '../store/file-store/faulty-disk.ts'
import { pushRecord, segment } from '../store/file-store/wal/log-lines.ts'
import { writeEntries } from './archives.ts'
import { run, runJson } from './run.ts'
import { folder, serveHere, stateFolder } from './state-fixture.ts'
import { launcher } from '../launcher.ts'

/** The name of a backup made in a folder. */
const dated = /^kss-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.tar\.gz$/

interface Made {
  path: string
  users: number
  documents: number
  bytes: number
  complete: boolean
  removed: string[]
}

t.test('a backup says how much it holds', async (t) => {
  const dir = await stateFolder(t, async (store) => {
    await store.createUser({ username: 'Bob', key: 'K' })
    await byName(store).putProgress('Bob', { ...pushed, document: 'auth' })
    await byName(store).putProgress('Bob', pushed)
  })
  const path = join(await folder(t), 'kss.tar.gz')
  const made = await runJson<Made>(dir, 'backup', 'create', path)
  const files = (await unpackTar(gunzipSync(await readFile(path)))).slice(1)
  const bytes = files.reduce((sum, { header }) => sum + header.size, 0)
  t.same(made, { path, users: 2, documents: 3, bytes, complete: true, removed: [] })
  const { stdout } = await run(dir, 'backup', 'create', path)
  t.match(stdout, new RegExp(`^The backup is in ${path}: 2 accounts, 3 documents, [\\d.]+K?B\\.\n$`))
  const target = await folder(t)
  t.match(await runJson(target, 'backup', 'restore', path), { users: [{ documents: 1 }, { documents: 2 }] })
})

for (const beside of [false, true]) {
  t.test(`one file that cannot be written prevents no backup ${beside ? 'beside' : 'without'} a server`, async (t) => {
    const dir = await stateFolder(t, async (store) => store.createUser({ username: 'bob', key: 'K' }))
    await rm(join(dir, 'alice', 'history'), { recursive: true })
    await writeFile(join(dir, 'alice', 'history'), 'in the way')
    // A process that was killed has left it in the log.
    const push = pushRecord('alice/new.json', JSON.stringify({ ...pushed, document: 'new' }))
    await writeFile(join(dir, '.wal', '0000000001.log'), segment(1, push))
    if (beside) await serveHere(t, dir)
    const nas = await folder(t)
    const older = 'kss-2020-01-31T03-00-00.tar.gz'
    await writeFile(join(nas, older), '')
    const lacks =
      'It lacks the newest positions of some books, which cannot be written to their files: the log of kss serve names them.'
    const made = await run(dir, 'backup', 'create', nas, '--keep', '1')
    t.match(made, { code: 4, stdout: /^The backup is in .+: 2 accounts, 1 document, \d+(\.\d)?K?B\.\n$/ })
    t.match(made.stderr, `${lacks} No older backup was removed.\n`)
    const [kept, name] = (await readdir(nas)).toSorted()
    t.equal(kept, older)
    const files = (await unpackTar(gunzipSync(await readFile(join(nas, name!))))).map(({ header }) => header.name)
    t.ok(files.includes('bob/auth.json'))
    t.match(await run(dir, 'backup', 'create', '--json'), {
      code: 4,
      stdout: /"complete": false,\s+"removed": \[\]/,
      stderr: new RegExp(`${lacks}\n$`),
    })
  })
}

for (const beside of [false, true]) {
  t.test(`a folder without accounts is no backup ${beside ? 'beside a server' : 'without a server'}`, async (t) => {
    const dir = await folder(t)
    if (beside) await serveHere(t, dir)
    // A server makes the folder of sessions when it looks whether there is an operator, after its start.
    const list = async (): Promise<string[]> => (await readdir(dir)).filter((name) => name !== '.console').toSorted()
    const before = await list()
    const nas = await folder(t)
    await mkdir(join(dir, 'lost+found'))
    await mkdir(join(dir, 'photos'))
    await writeFile(join(dir, 'a file'), '')
    for (const target of [[], [nas], [join(nas, 'kss.tar.gz')], ['-']]) {
      t.match(await run(dir, 'backup', 'create', ...target), {
        code: 1,
        stdout: '',
        stderr: `There are no accounts in ${dir}: no backup was made. Is its disk mounted? Pass the state directory with --dir.\n`,
      })
    }
    t.same(await readdir(nas), [])
    t.same(await list(), [...before, 'lost+found', 'photos', 'a file'].toSorted(), 'nothing is made')
  })
}

t.test('a folder that is missing, or is a file, is no backup', async (t) => {
  const dir = await folder(t)
  const nas = await folder(t)
  await writeFile(join(dir, 'file'), '')
  for (const [name, message] of [
    ['none', `There is no folder ${dir}/none. Pass the state directory with --dir.\n`],
    ['file', `It failed: ENOTDIR: not a directory, opendir '${dir}/file'\n`],
  ] as const) {
    t.match(await run(join(dir, name), 'backup', 'create', nas), { code: 1, stderr: message })
  }
  t.same(await readdir(nas), [])
})

t.test('a folder as target gets a file that is named after the time', async (t) => {
  const dir = await stateFolder(t)
  const nas = await folder(t)
  for (const said of [nas, `${nas}/`]) {
    const { path } = await runJson<Made>(dir, 'backup', 'create', said)
    t.match(path.slice(nas.length + 1), dated)
    t.equal((await stat(path)).mode & 0o777, 0o600)
  }
  await run(dir, 'backup', 'create')
  const { path } = await runJson<Made>(dir, 'backup', 'create', join(dir, '.backups'))
  t.match(path.slice(`${dir}/.backups/`.length), dated)
})

t.test('the folder of an account is no target', async (t) => {
  const dir = await stateFolder(t)
  const link = join(await folder(t), 'link')
  await symlink(join(dir, 'alice'), link)
  for (const said of [dir, join(dir, 'alice'), join(dir, 'alice', 'history'), link]) {
    t.match(await run(dir, 'backup', 'create', said), {
      code: 2,
      stderr: `The folder ${said} is the state directory. Pass another folder for backups, or none.\n`,
    })
  }
})

const old = ['2026-01-01T00-00-00', '2026-01-02T00-00-00', '2026-01-03T00-00-00'].map((time) => `kss-${time}.tar.gz`)
const others = [
  'kss-2026-01-01.tar.gz',
  'kss-2025-01-01T00-00-00-before-format-1.tar.gz',
  'kss-2025-01-01T00-00-00.tar.gz.bak',
  'my kss-2025-01-01T00-00-00.tar.gz',
  'photos.tar.gz',
]

t.test('--keep removes the oldest backups that kss has named, and nothing else', async (t) => {
  const dir = await stateFolder(t)
  const nas = await folder(t)
  for (const name of [...old, ...others]) await writeFile(join(nas, name), name)
  await mkdir(join(nas, 'kss-2025-01-01T00-00-00.tar.gz'))
  const { path, removed } = await runJson<Made>(dir, 'backup', 'create', nas, '--keep', '2')
  t.same(
    removed.toSorted(),
    old.slice(0, 2).map((name) => join(nas, name)),
  )
  const kept = [old[2], path.slice(nas.length + 1), 'kss-2025-01-01T00-00-00.tar.gz', ...others]
  t.same(new Set(await readdir(nas)), new Set(kept))
  await writeFile(join(nas, 'kss-9999-01-01T00-00-00.tar.gz'), '')
  const { stdout } = await run(dir, 'backup', 'create', nas, '--keep', '1')
  t.match(stdout, `Removed: ${join(nas, 'kss-9999-01-01T00-00-00.tar.gz')}\n`, 'never the one that was just made')
  t.equal((await readdir(nas)).filter((name) => dated.test(name)).length, 2)
  await run(dir, 'backup', 'create')
  await writeFile(join(dir, '.backups', old[0] ?? ''), '')
  const before = (await readdir(join(dir, '.backups'))).map((name) => join(dir, '.backups', name))
  const made = await runJson<Made>(dir, 'backup', 'create', '--keep', '1')
  // Of two backups in one second, the second one replaces the first.
  t.same(new Set(made.removed), new Set(before.filter((each) => each !== made.path)))
})

t.test('--keep needs a folder and a number', async (t) => {
  const dir = await stateFolder(t)
  const nas = await folder(t)
  const noFolder = '--keep needs a folder of backups. Pass a folder, or none.\n'
  for (const [target, keep, stderr] of [
    [join(nas, 'kss.tar.gz'), '3', noFolder],
    ['-', '3', noFolder],
    [nas, '0', '"0" is not a whole number over 0.\n'],
  ] as const) {
    t.match(await run(dir, 'backup', 'create', target, '--keep', keep), { code: 2, stderr, stdout: '' })
  }
  t.same(await readdir(nas), [])
})

t.test('a backup stands when an older one cannot be removed', async (t) => {
  const dir = await stateFolder(t)
  const nas = await folder(t)
  const oldest = join(nas, old[0] ?? '')
  await writeFile(oldest, '')
  faultyDisk(t).fail('rm', /kss-2026-01-01/, 'EACCES')
  const { code, stdout, stderr } = await run(dir, 'backup', 'create', nas, '--keep', '1')
  t.match({ code, stdout }, { code: 1, stdout: '' })
  t.match(stderr, /^The backup is in .*\/kss-[\dT-]+\.tar\.gz\. An older backup cannot be removed: EACCES: rm\n$/)
})

t.test('a backup to standard output says on standard error how much it holds', async (t) => {
  const dir = await stateFolder(t)
  const child = spawn(process.execPath, [launcher, 'backup', 'create', '-', '--dir', dir])
  let stderr = ''
  child.stderr.on('data', (chunk) => (stderr += String(chunk)))
  child.stdout.resume()
  const [code] = (await once(child, 'close')) as [number]
  t.equal(code, 0)
  t.match(stderr, /^The backup holds 1 account, 1 document, [\d.]+K?B\.\n$/)
})

t.test('a backup comes from standard input, also beside a server', async (t) => {
  const dir = await stateFolder(t)
  const { path } = await runJson<Made>(dir, 'backup', 'create', await folder(t))
  const target = await folder(t)
  const restored = await restoreFrom(t, await readFile(path), ['--dir', target])
  t.match(restored, { code: 0, stderr: '' })
  t.match(await runJson(target, 'doc', 'list', 'alice'), [{ title: 'Dune' }])
  await serveHere(t, target)
  t.match(await restoreFrom(t, await readFile(path), ['--merge', '--dir', target]), { code: 0, stderr: '' })
  const damaged = /^Cannot restore -: it is no gzipped tar, or it is damaged \(.+\)\. Nothing was changed\.\n$/
  t.match(await restoreFrom(t, Buffer.alloc(0), ['--merge', '--dir', target]), { code: 1, stderr: damaged })
})

async function restoreFrom(t: Test, bytes: Buffer, args: string[]): Promise<{ code: number; stderr: string }> {
  const child = spawn(process.execPath, [launcher, 'backup', 'restore', '-', ...args])
  t.teardown(() => child.kill('SIGKILL'))
  let stderr = ''
  child.stderr.on('data', (chunk) => (stderr += String(chunk)))
  child.stdout.resume()
  child.stdin.end(bytes)
  const [code] = (await once(child, 'close')) as [number]
  return { code, stderr }
}

/** Sends the signal as soon as the folder has, at any depth, something of this name. Resolves to what the command said. */
async function interrupt(
  t: Test,
  args: string[],
  at: { folder: string; name: RegExp; signal: NodeJS.Signals },
  stdin = Buffer.alloc(0),
): Promise<{ code: number | null; stderr: string }> {
  const child = spawn(process.execPath, [launcher, ...args])
  t.teardown(() => child.kill('SIGKILL'))
  const closed = once(child, 'close')
  let stderr = ''
  child.stderr.on('data', (chunk) => (stderr += String(chunk)))
  child.stdout.resume()
  // It may end before it has read all.
  child.stdin.on('error', () => undefined).write(stdin)
  while (
    child.exitCode === null &&
    !(await readdir(at.folder, { recursive: true }).catch(() => [])).some((name) => at.name.test(name))
  )
    await sleep(5)
  child.kill(at.signal)
  const [code] = (await closed) as [number | null]
  return { code, stderr }
}

/** A state directory that takes seconds to compress. */
async function bigFolder(t: Test): Promise<string> {
  const dir = await stateFolder(t)
  for (let number = 0; number < 30; number++) {
    await writeFile(join(dir, 'alice', `${number}.json`), randomBytes(1_000_000))
  }
  return dir
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  t.test(`a backup that ${signal} cuts off leaves nothing`, async (t) => {
    const dir = await bigFolder(t)
    const nas = await folder(t)
    const at = { folder: nas, name: /^\.tmp-/, signal }
    const ended = await interrupt(t, ['backup', 'create', nas, '--dir', dir], at)
    t.same(ended, { code: 1, stderr: 'Interrupted: no backup was made.\n' })
    t.same(await readdir(nas), [])
  })
}

t.test('a restore that Ctrl+C cuts off before it begins to change anything leaves nothing', async (t) => {
  const { path } = await runJson<Made>(await bigFolder(t), 'backup', 'create', await folder(t))
  const dir = await folder(t)
  const half = (await readFile(path)).subarray(0, 10_000_000)
  const at = { folder: dir, name: /^\.tmp-\w+\/alice\/\d+\.json$/, signal: 'SIGINT' } as const
  const ended = await interrupt(t, ['backup', 'restore', '-', '--dir', dir], at, half)
  t.same(ended, { code: 1, stderr: 'Interrupted. Nothing was changed.\n' })
  t.same(
    (await readdir(dir)).filter((name) => !/^\.(format|journal)$/.test(name)),
    [],
  )
})

for (const [flags, rest] of [
  [[], ', but not their limits, nor who is an operator\\. For those, empty it and restore again\\.'],
  [['--merge'], '\\.'],
] as const) {
  const command = ['restore', ...flags].join(' ')
  t.test(`a ${command} that Ctrl+C cuts off half-way is finished by --merge`, async (t) => {
    const names = Array.from({ length: 300 }, (_, number) => `user${number}`)
    const archive = join(await folder(t), 'many.tar.gz')
    await writeEntries(archive, [
      ...names.map((name): [string, string] => [
        `${name}/auth.json`,
        JSON.stringify({ 'x-auth-user': name, 'x-auth-key': 'K' }),
      ]),
      ['.registration.json', JSON.stringify({ open: false, invited: ['dora'], removed: ['eve'] })],
    ])
    const dir = await folder(t)
    const at = { folder: dir, name: /^user/, signal: 'SIGINT' } as const
    const { code, stderr } = await interrupt(t, ['backup', 'restore', ...flags, archive, '--dir', dir], at)
    t.equal(code, 1)
    t.match(stderr, new RegExp(`^Interrupted\\. \\d+ accounts? restored; with --merge the others come too${rest}\n$`))
    const left = await readdir(dir)
    t.notOk(left.some((name) => name.startsWith('.tmp-')))
    const status = flags.length > 0 ? { open: true, invited: [] } : { open: false, invited: ['dora'] }
    t.match(await runJson(dir, 'registration', 'status'), status)
    t.match(await run(dir, 'backup', 'restore', '--merge', archive), {
      code: 0,
      stdout: /\n300 accounts restored\.\n$/,
    })
    t.match(await runJson(dir, 'registration', 'status'), status)
  })
}
