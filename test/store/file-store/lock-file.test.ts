import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { clearLockFile, takeLockFile, type Sleep } from '../../../src/store/file-store/lock-file.ts'
import { ownIdentity } from '../../../src/store/file-store/process-identity.ts'
import { builtModule } from '../../launcher.ts'
import { faultyDisk } from './faulty-disk.ts'

const inUse = { message: 'the folder is in use', holder: { pid: 7 } }

const never: Sleep = async () => {
  throw new Error('it waits')
}

/** A clock that stands still; `tick` lets what sleeps go on, and resolves when it sleeps again. */
function heldClock(): { sleep: Sleep; tick: () => Promise<unknown> } {
  const clock = new EventEmitter()
  const sleep: Sleep = async () => {
    clock.emit('asleep')
    await once(clock, 'tick')
  }
  const tick = async (): Promise<unknown> => {
    const asleep = once(clock, 'asleep')
    clock.emit('tick')
    return await asleep
  }
  return { sleep, tick }
}

/** A lock that a process left: this one, but for what is said. */
async function leaveLock(t: Test, owner: object): Promise<{ dir: string; file: string }> {
  const dir = t.testdir({ '.lock': {} })
  const file = join(dir, '.lock', '1234')
  await writeFile(file, JSON.stringify({ ...(await ownIdentity()), holder: { pid: 7 }, ...owner }))
  return { dir, file }
}

t.test('the lock of this very process is held', async (t) => {
  const { dir } = await leaveLock(t, {})
  await t.rejects(takeLockFile(dir, {}, { sleep: never }), inUse)
  t.same(await readdir(dir), ['.lock'])
})

t.test('the lock of a killed process is taken over at once', async (t) => {
  const dir = t.testdir({})
  const module = await builtModule(t, 'store/file-store/lock-file.ts')
  const code = `const { takeLockFile } = await import(${JSON.stringify(module)})
    await takeLockFile(${JSON.stringify(dir)}, { pid: 7 })
    console.log('held')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  await t.rejects(takeLockFile(dir, {}, { sleep: never }), inUse)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const release = await takeLockFile(dir, { pid: 8 })
  await t.rejects(takeLockFile(dir, {}, { sleep: never }), { ...inUse, holder: { pid: 8 } })
  await release()
  t.same(await readdir(dir), [])
})

for (const [what, owner] of Object.entries({
  'of another machine': { boot: 'other', machine: 'other' },
  'of another container': { pids: 'other' },
  'that a power cut tore': undefined,
})) {
  const leave = async (t: Test): Promise<{ dir: string; file: string }> => {
    const left = await leaveLock(t, owner ?? {})
    if (!owner) await writeFile(left.file, '{"pid":')
    return left
  }

  t.test(`a lock ${what} is taken over when its heartbeat stands still for 30 seconds`, async (t) => {
    const { dir } = await leave(t)
    let waited = 0
    await clearLockFile(dir, async (ms) => (waited += ms))
    t.equal(waited, 30_000)
    t.same(await readdir(dir), [])
  })

  t.test(`a lock ${what} is held while its heart beats`, async (t) => {
    const { dir, file } = await leave(t)
    let waited = 0
    const beat: Sleep = async (ms) => {
      waited += ms
      if (waited === 20_000) await utimes(file, new Date(), new Date(Date.now() + 5000))
    }
    await t.rejects(takeLockFile(dir, {}, { sleep: beat }), { message: 'the folder is in use' })
    t.equal(waited, 20_000)
    t.same(await readdir(join(dir, '.lock')), ['1234'])
  })

  t.test(`a lock ${what} is free when it is released meanwhile`, async (t) => {
    const { dir, file } = await leave(t)
    await clearLockFile(dir, () => rm(file))
    t.same(await readdir(dir), [])
  })
}

t.test('the heart beats while the lock is held', async (t) => {
  const dir = t.testdir({})
  const { sleep, tick } = heldClock()
  const release = await takeLockFile(dir, { pid: 7 }, { sleep, onLost: () => t.fail('it is lost') })
  const [token] = await readdir(join(dir, '.lock'))
  const file = join(dir, '.lock', token!)
  await utimes(file, 1, 1)
  await tick()
  t.ok((await stat(file)).mtimeMs > 1e12)
  await release()
})

t.test('a process that did not run for too long is told that another one has the folder', async (t) => {
  const dir = t.testdir({})
  const { sleep, tick } = heldClock()
  const lost = new EventEmitter()
  await takeLockFile(dir, { pid: 7 }, { sleep, onLost: (folder) => lost.emit('lost', folder) })
  await rm(join(dir, '.lock'), { recursive: true })
  const release = await takeLockFile(dir, { pid: 8 })
  const told = once(lost, 'lost')
  void tick()
  t.same(await told, [dir])
  await release()
})

t.test('a disk that was taken out, and comes back, has the lock still', async (t) => {
  const parent = t.testdir({ data: {} })
  const dir = join(parent, 'data')
  const { sleep, tick } = heldClock()
  const release = await takeLockFile(dir, { pid: 7 }, { sleep, onLost: () => t.fail('it is lost') })
  await rename(dir, join(parent, 'away'))
  await tick()
  await mkdir(dir)
  await tick()
  await rm(dir, { recursive: true })
  await rename(join(parent, 'away'), dir)
  await tick()
  await t.rejects(takeLockFile(dir, {}, { sleep: never }), inUse)
  await release()
})

t.test('what is no lock of kss is an error, and stays', async (t) => {
  const dir = t.testdir({ '.lock': 'x' })
  await t.rejects(takeLockFile(dir, {}), { message: `${join(dir, '.lock')} is a file: remove it` })
  t.same(await readdir(dir), ['.lock'])
})

t.test('a folder that is not there is an error', async (t) => {
  await t.rejects(takeLockFile(join(t.testdir({}), 'none'), {}), { code: 'ENOENT' })
})

for (const [call, code] of [
  ['rename', 'EACCES'],
  ['rename', 'EIO'],
  ['rmdir', 'EIO'],
] as const) {
  t.test(`a disk that answers ${call} with ${code} is an error`, async (t) => {
    const dir = t.testdir({ ...(call === 'rmdir' && { '.lock': {} }) })
    const disk = faultyDisk(t)
    disk.fail(call, /./, code)
    const lock = async (): Promise<unknown> => await (call === 'rmdir' ? clearLockFile(dir) : takeLockFile(dir, {}))
    await t.rejects(lock(), { code })
    disk.mend()
    await (
      await takeLockFile(dir, {})
    )()
    t.same(await readdir(dir), [])
  })
}

t.test('an empty folder that the disk does not replace is removed first', async (t) => {
  const dir = t.testdir({ '.lock': {} })
  const disk = faultyDisk(t)
  disk.fail('rename', /./, 'EPERM')
  const [removed, done] = [disk.count('rmdir', /./), takeLockFile(dir, {})]
  await t.rejects(done, { code: 'EPERM' }, 'then there is nothing in the way')
  t.equal(disk.count('rmdir', /./), removed + 1)
})

for (const [call, path] of [
  ['readdir', /\.lock$/],
  ['open', /1234$/],
] as const) {
  t.test(`a lock that is released before the ${call} is no error`, async (t) => {
    const { dir } = await leaveLock(t, {})
    faultyDisk(t).fail(call, path, 'ENOENT')
    await clearLockFile(dir, never)
  })
}
