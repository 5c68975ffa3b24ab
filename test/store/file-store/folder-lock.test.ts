import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { FolderInUse } from '../../../src/store/file-store/folder-in-use.ts'
import { lockFolder } from '../../../src/store/file-store/folder-lock.ts'
import { builtModule } from '../../launcher.ts'

/** A folder with a path that is short enough for a socket, unlike t.testdir's. */
async function folder(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kss-lock-'))
  t.teardown(() => rm(dir, { recursive: true }))
  return dir
}

/** Who holds the folder, as the one who is refused is told. */
async function holderOf(dir: string): Promise<unknown> {
  const refused = await lockFolder(dir, { pid: 2 }).catch((error: unknown) => error)
  return refused instanceof FolderInUse ? refused.holder : refused
}

const inUse = { message: 'the folder is in use' }

const locks = async (dir: string): Promise<string[]> => (await readdir(dir)).filter((name) => name.startsWith('.'))

t.test('a second one is told who holds the folder, and may have it afterwards', async (t) => {
  const dir = await folder(t)
  const { release } = await lockFolder(dir, { pid: 1 })
  t.same(await holderOf(dir), { pid: 1 })
  t.equal((await locks(dir)).length, 1)
  await release()
  t.same(await locks(dir), [])
  await (await lockFolder(dir, { pid: 2 })).release()
})

t.test('of twelve at once exactly one holds the folder', async (t) => {
  const dir = await folder(t)
  const results = await Promise.allSettled(Array.from({ length: 12 }, (_, pid) => lockFolder(dir, { pid })))
  const held = results.filter((result) => result.status === 'fulfilled')
  t.equal(held.length, 1)
  for (const result of results) if (result.status === 'rejected') t.ok(result.reason instanceof FolderInUse)
  t.equal((await locks(dir)).length, 1)
  await held[0]?.value.release()
})

t.test('a starter that gives up while it is asked does not keep others from the folder', async (t) => {
  const dir = await folder(t)
  let isAsked = false
  const server = net.createServer((socket) => {
    isAsked = true
    socket.destroy()
    server.close()
  })
  server.listen(join(dir, '.lock-zzz'))
  await once(server, 'listening')
  await (await lockFolder(dir, { pid: 1 })).release()
  t.ok(isAsked)
})

t.test('one that ends each connection without an answer counts as the holder', async (t) => {
  const dir = await folder(t)
  const server = net.createServer((socket) => void socket.destroy())
  server.listen(join(dir, '.lock-zzz'))
  await once(server, 'listening')
  await t.rejects(lockFolder(dir, { pid: 1 }), inUse)
  server.close()
})

t.test('the lock is in the folder itself, however long its path is', async (t) => {
  const dir = join(await folder(t), 'x'.repeat(150))
  await mkdir(dir)
  const cwd = process.cwd()
  const { release } = await lockFolder(dir, { pid: 1 })
  t.match(await locks(dir), [/^\.lock-/])
  t.same(await holderOf(dir), { pid: 1 })
  t.equal(process.cwd(), cwd)
  await release()
  t.same(await locks(dir), [])
})

t.test('a long path is no help where the working directory cannot be entered again', async (t) => {
  const dir = join(await folder(t), 'x'.repeat(150))
  await mkdir(dir)
  t.intercept(process, 'cwd', { value: () => '/none' })
  await t.rejects(lockFolder(dir, {}), { code: 'ENOENT', message: /'\/none'/ })
})

t.test('the folder may be reached through a symbolic link, by one at a time', async (t) => {
  const parent = await folder(t)
  await mkdir(join(parent, 'data'))
  await symlink('data', join(parent, 'link'))
  const { release } = await lockFolder(join(parent, 'link'), { pid: 1 })
  t.same(await holderOf(join(parent, 'data')), { pid: 1 })
  await release()
})

for (const name of ['.lock-0', '.lock-z', '.lock']) {
  t.test(`a symbolic link in the place of a lock is not followed: ${name}`, async (t) => {
    const [dir, other] = [await folder(t), await folder(t)]
    const { release } = await lockFolder(other, { pid: 1 })
    const target = join(other, (await locks(other))[0]!)
    await symlink(target, join(dir, name))
    await t.rejects(lockFolder(dir, {}), { message: `${join(dir, name)} is a symbolic link: remove it` })
    t.same(await locks(dir), [name])
    t.same(await holderOf(other), { pid: 1 })
    await release()
  })
}

/** lockFolder where sockets fail with the code. */
async function lockWithout(t: Test, code: string): Promise<typeof lockFolder> {
  const createServer = (listener?: (socket: net.Socket) => void): net.Server => {
    const server = net.createServer(listener)
    server.listen = ((): net.Server => {
      setImmediate(() => server.emit('error', Object.assign(new Error(code), { code })))
      return server
    }) as typeof server.listen
    return server
  }
  const mocks = { 'node:net': { ...net, createServer } }
  const mocked = await t.mockImport<{ lockFolder: typeof lockFolder }>(
    '../../../src/store/file-store/folder-lock.ts',
    mocks,
  )
  return mocked.lockFolder
}

t.test('a disk that fails is an error, not one without sockets', async (t) => {
  const dir = await folder(t)
  await t.rejects((await lockWithout(t, 'EIO'))(dir, {}), { code: 'EIO' })
})

for (const code of ['EPERM', 'EAFNOSUPPORT']) {
  t.test(`where sockets are answered with ${code}, of twelve at once exactly one holds the folder`, async (t) => {
    const [dir, lockByFile] = [await folder(t), await lockWithout(t, code)]
    const results = await Promise.allSettled(Array.from({ length: 12 }, (_, pid) => lockByFile(dir, { pid })))
    const held = results.filter((result) => result.status === 'fulfilled')
    t.equal(held.length, 1)
    for (const result of results) if (result.status === 'rejected') t.match(result.reason, inUse)
    t.same(await readdir(dir), ['.lock'])
    held[0]?.value.answer(async () => undefined)
    await held[0]?.value.release()
    t.same(await readdir(dir), [])
  })
}

t.test('a lock with a socket and one without exclude each other', async (t) => {
  const [dir, lockByFile] = [await folder(t), await lockWithout(t, 'EPERM')]
  const file = await lockByFile(dir, { pid: 1 })
  await t.rejects(lockFolder(dir, {}), { ...inUse, holder: { pid: 1 }, socket: undefined })
  t.same(await locks(dir), ['.lock'])
  await file.release()
  const socket = await lockFolder(dir, { pid: 2 })
  const [name] = await locks(dir)
  await t.rejects(lockByFile(dir, {}), { ...inUse, holder: { pid: 2 }, socket: join(await realpath(dir), name!) })
  t.same(await locks(dir), [name])
  await socket.release()
  await (await lockByFile(dir, { pid: 3 })).release()
})

t.test('of twelve at once, some with sockets and some without, at most one holds the folder', async (t) => {
  const [dir, lockByFile] = [await folder(t), await lockWithout(t, 'EPERM')]
  const results = await Promise.allSettled(
    Array.from({ length: 12 }, (_, pid) => (pid % 2 === 0 ? lockFolder : lockByFile)(dir, { pid })),
  )
  const held = results.filter((result) => result.status === 'fulfilled')
  t.ok(held.length <= 1)
  for (const { value } of held) await value.release()
  t.same(await locks(dir), [])
})

t.test('a socket of another machine, which nobody here can ask, is not removed', async (t) => {
  const [dir, lockByFile] = [await folder(t), await lockWithout(t, 'EPERM')]
  await writeFile(join(dir, '.lock-00000000-1'), '')
  const message = /\.lock-00000000-1 is the lock of a kss on another machine: stop that one, or remove the file$/
  await t.rejects(lockByFile(dir, {}), { message })
  t.same(await locks(dir), ['.lock-00000000-1'])
  await (await lockFolder(dir, {})).release()
  t.same(await locks(dir), [], 'where sockets are, it is one of an earlier boot')
})

t.test('a folder that is not there rejects', async (t) => {
  await t.rejects(lockFolder(join(t.testdir({}), 'none'), {}), { code: 'ENOENT' })
})

const lockModule = await builtModule(t, 'store/file-store/folder-lock.ts')

/** A process that locks the folder, then waits. */
async function holder(t: Test, dir: string): Promise<ChildProcess> {
  const code = `const { lockFolder } = await import(${JSON.stringify(lockModule)})
    await lockFolder(${JSON.stringify(dir)}, { pid: process.pid })
    console.log('held')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child
}

t.test('a lock of a killed process never blocks, one of a stopped process does', async (t) => {
  const dir = await folder(t)
  const killed = await holder(t, dir)
  t.same(await holderOf(dir), { pid: killed.pid })
  killed.kill('SIGKILL')
  await once(killed, 'exit')
  t.equal((await locks(dir)).length, 1, 'it is left over')
  const stopped = await holder(t, dir)
  stopped.kill('SIGSTOP')
  t.equal(await holderOf(dir), undefined, 'held, by one who does not answer')
})

t.test('of twelve processes at once, after a kill, exactly one holds the folder', async (t) => {
  const dir = await folder(t)
  const killed = await holder(t, dir)
  killed.kill('SIGKILL')
  await once(killed, 'exit')
  const code = `const { lockFolder } = await import(${JSON.stringify(lockModule)})
    await lockFolder(${JSON.stringify(dir)}, {}).then(() => console.log('held'), (e) => console.log(e.message))
    setTimeout(() => process.exit(), 3000)`
  const run = promisify(execFile)
  const runs = await Promise.all(
    Array.from({ length: 12 }, () => run(process.execPath, ['--input-type=module', '-e', code])),
  )
  t.equal(runs.filter(({ stdout }) => stdout === 'held\n').length, 1)
  t.equal(runs.filter(({ stdout }) => stdout === 'the folder is in use\n').length, 11)
})
