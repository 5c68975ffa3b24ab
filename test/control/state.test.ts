import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, chown, cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { spawnSync } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { callStore } from '../../src/control/state-store.ts'
import { lockFolder } from '../../src/store/file-store/folder-lock.ts'
import { takeLockFile } from '../../src/store/file-store/lock-file.ts'
import { kss, serve, start } from '../commands/kss.ts'
import { run, runJson } from '../commands/run.ts'
import { dune, folder, openStore, places, serveHere, stateFolder } from '../commands/state-fixture.ts'
import { byName } from '../store/by-name.ts'
import { faultyDisk } from '../store/file-store/faulty-disk.ts'
import { launcher } from '../launcher.ts'
import { until } from '../until.ts'

const hasLock = async (dir: string): Promise<boolean> => (await readdir(dir)).some((name) => name.startsWith('.lock-'))

t.test('a folder that is not there is one line', async (t) => {
  const message = 'There is no folder /none/kss. Pass the state directory with --dir.\n'
  for (const args of [
    ['user', 'list'],
    ['doc', 'list', 'alice'],
    ['backup', 'create'],
  ]) {
    t.match(await run('/none/kss', ...args), { code: 1, stderr: message, stdout: '' })
  }
})

t.test('a folder that is a file is one line', async (t) => {
  const file = join(await folder(t), 'file')
  await writeFile(file, '')
  const stderr = `Cannot write to the folder ${file}: it is a file. Choose another one with --dir.\n`
  t.match(await run(file, 'user', 'list'), { code: 1, stderr })
})

t.test('a part of the path that is a file is one line', async (t) => {
  const file = join(await folder(t), 'file')
  await writeFile(file, '')
  const { code, stderr } = await run(join(file, 'kss'), 'user', 'add', 'ann', '--random')
  t.equal(code, 1)
  t.match(stderr, /: a part of its path is a file\. Choose another one with --dir\.\n$/)
})

const isRoot = process.getuid?.() === 0

t.test('root works not in a folder of somebody else', { skip: !isRoot && 'only root can give it away' }, async (t) => {
  const dir = await stateFolder(t)
  await chown(dir, 12_345, 12_345)
  const stderr = `The folder ${dir} belongs to user 12345. Run kss as that user, not as root.\n`
  t.match(await run(dir, 'user', 'list'), { code: 1, stderr })
  t.notOk(await hasLock(dir))
})

const nobody = { uid: 65_534, gid: 65_534, encoding: 'utf8' } as const
const canBeNobody = isRoot && spawnSync(process.execPath, ['--version'], nobody).status === 0
const needsNobody = !canBeNobody && 'only root can become the user nobody, who must reach this Node'

t.test('a folder that this user may not write to is one line', { skip: needsNobody }, async (t) => {
  const dir = await folder(t)
  await chmod(dir, 0o755)
  const { status, stderr } = spawnSync(process.execPath, [launcher, 'user', 'list', '--dir', dir], nobody)
  t.equal(status, 1)
  const why = 'it belongs to user 0, and kss runs as 65534'
  t.equal(stderr.split('\n')[0], `Cannot write to the folder ${dir}: ${why}. Choose another one with --dir.`)
})

t.test('a server that is stopped does not answer, and that is told', async (t) => {
  const dir = await stateFolder(t)
  const server = await serve(t, dir)
  server.child.kill('SIGSTOP')
  const stderr = `The kss that has the folder ${dir} does not answer.\n`
  t.match(await run(dir, 'user', 'list'), { code: 1, stderr })
  server.child.kill('SIGCONT')
  t.match(await run(dir, 'user', 'list'), { code: 0, stdout: /^alice /m })
  t.equal(await server.stop(), 0)
})

t.test('a server that was killed is in nobody’s way', async (t) => {
  const dir = await stateFolder(t)
  const server = await serve(t, dir)
  await server.stop('SIGKILL')
  t.ok(await hasLock(dir))
  t.match(await run(dir, 'user', 'list'), { code: 0, stdout: /^alice /m })
  t.notOk(await hasLock(dir))
})

t.test('commands at once wait for each other, beside a server or not', async (t) => {
  const dir = await stateFolder(t)
  const names = ['ann', 'bob', 'carl']
  const ended = await Promise.all(names.map((name) => kss(t, ['user', 'add', name, '--random', '--dir', dir])))
  for (const { code, stderr } of ended) t.match({ code, stderr }, { code: 0, stderr: '' })
  t.match(
    await runJson(dir, 'user', 'list'),
    ['alice', ...names].map((username) => ({ username })),
  )
})

t.test('a command that takes too long keeps others from the folder, which is told', async (t) => {
  const dir = await stateFolder(t)
  const { release } = await lockFolder(dir, { pid: 1, command: 'kss backup create', since: 'noon' })
  const { now } = Date
  let hurry = 0
  t.intercept(Date, 'now', { value: () => now() + (hurry += 1000) })
  t.match(await run(dir, 'user', 'list'), {
    code: 3,
    stderr:
      `The folder ${dir} is in use by kss backup create (process 1, since noon). ` +
      'Wait until that has ended, then try again.\n',
  })
  await release()
})

t.test('a server waits for a command that holds its folder', async (t) => {
  const dir = await stateFolder(t)
  const { release } = await lockFolder(dir, { pid: 1, command: 'kss backup create', since: 'noon' })
  let started = false
  const starting = serveHere(t, dir).then((server) => {
    started = true
    return server
  })
  await sleep(300)
  t.notOk(started)
  await release()
  const { url } = await starting
  t.equal((await fetch(`${url}/healthcheck`)).status, 200)
})

t.test('a server does not wait for ever for a command', async (t) => {
  const dir = await stateFolder(t)
  const { release } = await lockFolder(dir, { pid: 77, command: 'kss backup create', since: 'noon' })
  const { now } = Date
  let hurry = 0
  t.intercept(Date, 'now', { value: () => now() + (hurry += 1000) })
  await t.rejects(serveHere(t, dir), {
    exitCode: 3,
    message:
      `The folder ${dir} is in use by kss backup create (process 77, since noon). ` +
      'Wait until that has ended, then start kss again.',
  })
  await release()
})

t.test('a command that holds the folder is named', async (t) => {
  const dir = await stateFolder(t)
  await writeFile(join(dir, 'alice', 'noise.json'), randomBytes(4_000_000))
  const backup = start(t, ['backup', 'create', '-', '--dir', dir], {})
  // More than a pipe takes: it goes on when somebody reads.
  await once(backup.stdout, 'readable')
  const { now } = Date
  let hurry = 0
  t.intercept(Date, 'now', { value: () => now() + (hurry += 1000) })
  const { code, stderr } = await run(dir, 'user', 'list')
  t.equal(code, 3)
  t.ok(stderr.startsWith(`The folder ${dir} is in use by kss backup create (process ${backup.pid}, since 2`), stderr)
  backup.stdout.resume()
  t.same(await once(backup, 'close'), [0, null])
})

t.test('a server that ends during a call is told', async (t) => {
  const dir = await stateFolder(t)
  const lock = await lockFolder(dir, { pid: 1 })
  lock.answer(async () => {
    void lock.release()
    await new Promise(() => undefined)
  })
  t.match(await run(dir, 'user', 'list'), {
    code: 1,
    stderr: 'It failed: The kss that serves the folder has ended.\n',
  })
})

t.test('a server that ends just before it is asked is in nobody’s way', async (t) => {
  const dir = await stateFolder(t)
  const path = join(dir, '.lock-0')
  const server = createServer((socket) => {
    socket.end(`${JSON.stringify({ state: 'holding', holder: { pid: 1 } })}\n`)
    server.close()
  }).listen(path)
  await once(server, 'listening')
  t.match(await run(dir, 'user', 'list'), { code: 0, stdout: /^alice /m, stderr: '' })
})

t.test('what the server cannot do is told', async (t) => {
  const dir = await stateFolder(t)
  const lock = await lockFolder(dir, { pid: 1 })
  const store = await openStore(await folder(t))
  t.teardown(() => store.close())
  lock.answer(async (method, args) => {
    if (method === 'admin.flush') return true
    return await callStore(store, store.admin)(`${method}Anew`, args)
  })
  const { code, stderr } = await run(dir, 'registration', 'status')
  t.equal(code, 1)
  t.match(stderr, /^It failed: This kss \(version .+\) cannot do getRegistrationAnew\. Stop it, and try again\.\n$/)
  await lock.release()
})

for (const [method, result, args, stderr] of [
  [
    'admin.flush',
    false,
    ['user', 'rm', '--inactive', '2y', '--yes'],
    'Some positions are not in their files yet. Try again; see the log.\n',
  ],
] as const) {
  t.test(`what the server answers to ${method} is told: ${stderr.trim()}`, async (t) => {
    const dir = await stateFolder(t)
    const store = await openStore(dir)
    t.teardown(() => store.close())
    const lock = await lockFolder(dir, { pid: 1 })
    lock.answer(async (asked, given) => (asked === method ? result : await callStore(store, store.admin)(asked, given)))
    t.match(await run(dir, ...args), { code: 1, stderr, stdout: '' })
    await lock.release()
  })
}

t.test('a command whose change is being made when the server stops gets its answer', async (t) => {
  const dir = await stateFolder(t)
  const disk = faultyDisk(t)
  const { url, close } = await serveHere(t, dir)
  const change = /alice.\.tmp-/
  const release = disk.hold('open', change)
  const named = run(dir, 'doc', 'name', 'alice', 'Dune', 'Another')
  await until(() => disk.count('open', change) > 0)
  const closed = close()
  await until(() =>
    fetch(url).then(
      () => false,
      () => true,
    ),
  )
  await setImmediate()
  release()
  t.match(await named, { code: 0, stderr: '' })
  await closed
})

t.test('a server that stops says so', async (t) => {
  const dir = await stateFolder(t)
  const lock = await lockFolder(dir, { pid: 1 })
  lock.answer(async () => {
    throw new Error('the server is stopping: try again')
  })
  t.match(await run(dir, 'user', 'list'), { code: 1, stderr: 'It failed: the server is stopping: try again\n' })
  await lock.release()
})

t.test('a mistake of ours is no line for a person', async (t) => {
  const dir = await stateFolder(t)
  const bug = new TypeError('x is not a function')
  const { withState } = await import('../../src/control/state.ts')
  await t.rejects(
    withState({ dir }, async () => {
      throw bug
    }),
    bug,
  )
  t.notOk(await hasLock(dir))
})

t.test('a log that cannot be read is one line, and the folder is free again', async (t) => {
  const dir = await folder(t)
  await mkdir(join(dir, '.wal', '0000000001.log'), { recursive: true })
  t.match(await run(dir, 'user', 'list'), { code: 1, stderr: /^It failed: EISDIR: .*\n$/ })
  t.notOk(await hasLock(dir))
})

t.test('what is damaged in the journal of an older kss is told, and the rest goes on', async (t) => {
  const dir = await stateFolder(t)
  await mkdir(join(dir, '.journal'))
  await writeFile(join(dir, '.journal', '0000000001.log'), 'x\n{"no":"entry"}\ny\n')
  const { code, stderr, stdout } = await run(dir, 'user', 'list')
  t.equal(code, 0)
  t.match(stderr, /^\S.*0000000001\.log/)
  t.match(stdout, /^alice /m)
})

t.test('a signal to a command that waits for an answer leaves no lock', async (t) => {
  const dir = await stateFolder(t)
  const child = start(t, ['user', 'add', 'bob', '--random', '--dir', dir], {})
  child.kill('SIGTERM')
  await once(child, 'close')
  t.match(await run(dir, 'user', 'list'), { code: 0 })
  t.notOk(await hasLock(dir))
})

t.test('a server in a folder without sockets cannot be asked: it is to be stopped', async (t) => {
  const dir = await stateFolder(t)
  const release = await takeLockFile(dir, { pid: 77, since: 'noon' })
  const message =
    `The folder ${dir} is in use by a kss (process 77, since noon) that commands cannot reach, because the file ` +
    'system has no sockets. Stop that one, then try again.\n'
  t.match(await run(dir, 'user', 'list'), { code: 3, stderr: message, stdout: '' })
  await t.rejects(serveHere(t, dir), { exitCode: 3, message: /is in use by another kss \(process 77, / })
  await release()
  t.match(await run(dir, 'user', 'list'), { code: 0, stdout: /^alice /m })
})

t.test('a symbolic link in the place of the lock is one line', async (t) => {
  const dir = await stateFolder(t)
  await symlink('/none', join(dir, '.lock-0'))
  const message = `Cannot lock the folder ${dir}: ${join(dir, '.lock-0')} is a symbolic link: remove it.`
  t.match(await run(dir, 'user', 'list'), { code: 1, stderr: `${message}\n` })
  await t.rejects(serveHere(t, dir), { exitCode: 1, message })
})

t.test('a command beside a server in a folder with a long path is done by the server', async (t) => {
  const dir = join(await folder(t), 'x'.repeat(120))
  await cp(await stateFolder(t), dir, { recursive: true })
  const server = await serve(t, dir)
  t.match(await run(dir, 'user', 'add', 'bob', '--random'), { code: 0 })
  t.ok(await hasLock(dir))
  t.equal(await server.stop(), 0)
  t.notOk(await hasLock(dir))
})

t.test('a command that changes something names the folder, and tells when no server has it', async (t) => {
  const dir = await stateFolder(t)
  const alone = `Data folder: ${dir} (no kss server is running on it)\n`
  t.equal((await run(dir, 'registration', 'close')).stdout, `${alone}Registration is closed.\n`)
  t.equal((await run(dir, 'registration', 'status')).stdout, 'Registration is closed.\n')
  t.equal((await run(dir, 'user', 'disable', 'nobody')).stdout, '', 'nothing was changed')
  t.same(await runJson(dir, 'user', 'disable', 'alice'), { username: 'alice', disabled: true })
  await serveHere(t, dir)
  t.equal((await run(dir, 'registration', 'open')).stdout, `Data folder: ${dir}\nRegistration is open.\n`)
})

t.test('the log of the server tells which commands changed something, and never a password', async (t) => {
  const dir = await stateFolder(t, (store) => byName(store).putProgress('alice', { ...places[0]!, document: 'emma' }))
  const server = await serve(t, dir)
  const { stdout } = await run(dir, 'user', 'add', "ann's kobo", '--random')
  const [, password = ''] = /^Password: (\w+)$/m.exec(stdout) ?? []
  t.not(password, '')
  for (const args of [
    ['user', 'list'],
    ['user', 'passwd', 'alice', '--random'],
    ['user', 'rename', 'alice', 'Alice B.'],
    ['user', 'rename', 'nobody', 'bob'],
    ['user', 'disable', 'Alice B.'],
    ['user', 'enable', 'Alice B.'],
    ['registration', 'open', '--for', '10m'],
    ['registration', 'close'],
    ['invite', 'dora'],
    ['invite', '--cancel', 'dora'],
    ['doc', 'name', 'Alice B.', 'Dune', '\u001b[31mDune 1'],
    ['doc', 'merge', 'Alice B.', 'emma', '35322b', '--yes'],
    ['history', 'restore', 'Alice B.', '35322b'],
    ['history', 'prune', '--keep', '1', '--yes'],
    ['history', 'prune', 'Alice B.', '--keep', '1', '--yes'],
    ['doc', 'rm', 'Alice B.', '35322b', '--yes'],
    ['check', '--repair'],
    ['user', 'rm', 'Alice B.', '--yes'],
    ['user', 'allow-return', 'Alice B.'],
  ]) {
    const { code, stderr } = await run(dir, ...args)
    t.equal(code, args.includes('nobody') ? 1 : 0, args.join(' '), { stderr })
  }
  t.equal(await server.stop(), 0)
  const messages = server.log.map(({ msg }) => String(msg))
  t.same(
    messages.filter((msg) => msg.startsWith('command: ')),
    [
      "user add 'ann'\\''s kobo'",
      'user passwd alice',
      "user rename alice 'Alice B.'",
      'user rename nobody bob',
      "user disable 'Alice B.'",
      "user enable 'Alice B.'",
      'registration open --for 10m',
      'registration close',
      'invite dora',
      'invite --cancel dora',
      "doc name 'Alice B.' Dune '\u001b[31mDune 1'",
      `doc merge 'Alice B.' emma ${dune}`,
      "history restore 'Alice B.' 35322b",
      'history prune',
      "history prune 'Alice B.'",
      `doc rm 'Alice B.' ${dune}`,
      'check --repair',
      "user rm 'Alice B.'",
      "user allow-return 'Alice B.'",
    ].map((words) => `command: kss ${words}`),
  )
  t.notMatch(JSON.stringify(server.log), password)
})
