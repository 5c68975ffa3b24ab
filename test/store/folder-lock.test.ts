import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createHash } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, realpath, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { FolderInUse, lockFolder } from '../../src/store/folder-lock.ts'

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

t.test('a path that is too long for a socket is locked all the same', async (t) => {
  const dir = t.testdir({ ['x'.repeat(150)]: {} })
  const { release } = await lockFolder(join(dir, 'x'.repeat(150)), { pid: 1 })
  t.same(await holderOf(join(dir, 'x'.repeat(150))), { pid: 1 })
  await release()
})

t.test('sockets elsewhere are in a folder that is for this user alone', async (t) => {
  const dir = t.testdir({ ['x'.repeat(150)]: {} })
  const path = await realpath(join(dir, 'x'.repeat(150)))
  const substitute = join(tmpdir(), `kss-${createHash('sha256').update(path).digest('hex').slice(0, 16)}`)
  t.teardown(() => rm(substitute, { recursive: true, force: true }))
  await mkdir(substitute)
  await chmod(substitute, 0o755)
  await t.rejects(lockFolder(path, {}), { message: `${substitute} is not for this user alone: remove it` })
  await rm(substitute, { recursive: true })
  await (await lockFolder(path, {})).release()
})

t.test('a file system without sockets is locked all the same, and one that fails is an error', async (t) => {
  const dir = await folder(t)
  const lockOn = async (code: string): Promise<typeof lockFolder> => {
    const createServer = (listener?: (socket: net.Socket) => void): net.Server => {
      const server = net.createServer(listener)
      const listen = server.listen.bind(server)
      const fail = (): boolean => server.emit('error', Object.assign(new Error(code), { code }))
      server.listen = ((path: string) => {
        if (!path.startsWith(dir)) return listen(path)
        setImmediate(fail)
        return server
      }) as typeof server.listen
      return server
    }
    const mocks = { 'node:net': { ...net, createServer } }
    const { lockFolder: lock } = await t.mockImport<{ lockFolder: typeof lockFolder }>(
      '../../src/store/folder-lock.ts',
      mocks,
    )
    return lock
  }
  const lockOnFat = await lockOn('EPERM')
  const { release } = await lockOnFat(dir, { pid: 1 })
  await t.rejects(lockOnFat(dir, { pid: 2 }), { message: 'the folder is in use' })
  await release()
  await t.rejects((await lockOn('EIO'))(dir, { pid: 1 }), { code: 'EIO' })
})

t.test('a folder that is not there rejects', async (t) => {
  await t.rejects(lockFolder(join(t.testdir({}), 'none'), {}), { code: 'ENOENT' })
})

const lockModule = new URL('../../dist/store/folder-lock.js', import.meta.url).href

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
