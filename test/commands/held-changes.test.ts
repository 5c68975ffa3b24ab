import { once } from 'node:events'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { beginFormatChange, holdCalls, holdChanges } from '../../src/commands/held-changes.ts'
import { ControlChannel, serveCalls } from '../../src/control/control-channel.ts'
import type { Account } from '../../src/store/store.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { accountOf } from '../store/by-name.ts'
import { pushed } from '../store/contract.ts'
import { faultyDisk } from '../store/file-store/faulty-disk.ts'
import { until } from '../until.ts'
import { run } from './run.ts'
import { folder, serveHere } from './state-fixture.ts'

/** A folder as Python kss left it. */
async function pythonFolder(t: Test): Promise<string> {
  const dir = await folder(t)
  await mkdir(join(dir, 'ann'))
  await writeFile(join(dir, 'ann', 'auth.json'), '{"x-auth-user": "ann", "x-auth-key": "K"}')
  await writeFile(join(dir, 'ann', 'abc.json'), JSON.stringify(pushed))
  return dir
}

const headers = { 'x-auth-user': 'ann', 'x-auth-key': 'K' }
const push = (url: string): Promise<Response> =>
  fetch(`${url}/syncs/progress`, { method: 'PUT', headers, body: JSON.stringify({ ...pushed, progress: 'new' }) })

async function filesOf(dir: string): Promise<string[]> {
  return await Promise.all(['auth.json', 'abc.json'].map((name) => readFile(join(dir, 'ann', name), 'utf8')))
}

t.test(
  'the first start on a folder of Python kss serves it while the backup is made, and changes nothing',
  async (t) => {
    const dir = await pythonFolder(t)
    const before = await filesOf(dir)
    const release = faultyDisk(t).hold('mkdir', /\.backups$/)
    const server = await serveHere(t, dir)
    const pulled = await fetch(`${server.url}/syncs/progress/abc`, { headers })
    t.match([pulled.status, await pulled.json()], [200, { progress: pushed.progress }])
    const refused = await push(server.url)
    t.equal(refused.status, 503)
    t.match(refused.headers.get('retry-after'), /^\d+$/)
    t.match(await run(dir, 'user', 'list'), { code: 0, stdout: /^ann /m })
    t.same(await filesOf(dir), before)
    // No assertion meanwhile: what goes to standard output is the command's.
    const enabled = run(dir, 'user', 'enable', 'ann')
    release()
    t.match(await enabled, { code: 0 })
    t.equal((await push(server.url)).status, 200)
    t.match(await readdir(join(dir, '.backups')), [/-before-format-\d+\.tar\.gz$/])
    await server.close()
    t.notSame(await filesOf(dir), before)
  },
)

t.test('a stop gives the backup up, and the next start makes it', async (t) => {
  const dir = await pythonFolder(t)
  const release = faultyDisk(t).hold('mkdir', /\.backups$/)
  const server = await serveHere(t, dir)
  const closed = server.close()
  release()
  await closed
  t.same(await readdir(join(dir, '.backups')), [])
  const next = await serveHere(t, dir)
  await until(async () => (await readFile(join(dir, '.format'), 'utf8')) === '{"format":2}\n')
  await next.close()
  t.equal((await readdir(join(dir, '.backups'))).length, 1)
})

for (const log of ['.journal', '.wal']) {
  t.test(`a ${log} that a crash left is brought in after the backup`, async (t) => {
    const dir = await pythonFolder(t)
    await mkdir(join(dir, log), { mode: 0o700 })
    await writeFile(join(dir, log, '0000000001.log'), '\n')
    const server = await serveHere(t, dir)
    t.equal((await readdir(join(dir, '.backups'))).length, 1, 'it is there when the server listens')
    await server.close()
  })
}

t.test('registration is closed by KSS_DISABLE_REGISTRATION after the backup', async (t) => {
  const dir = await pythonFolder(t)
  const [path, opened] = [join(dir, '.registration.json'), '{"open":true,"invited":["bob"]}']
  await writeFile(path, opened, { mode: 0o600 })
  const disk = faultyDisk(t)
  const release = disk.hold('rename', /\.backups/)
  const starting = serveHere(t, dir, true)
  await until(() => disk.count('rename', /\.backups/) > 0)
  t.equal(await readFile(path, 'utf8'), opened)
  release()
  const server = await starting
  t.equal(await readFile(path, 'utf8'), '{"invited":["bob"]}\n')
  await server.close()
})

for (const [what, text, disabled] of [
  ['that is not to be closed', '{"open":true,"invited":[]}', false],
  ['that is closed', '{"open":false,"invited":[]}', true],
  ['that cannot be read', 'x', true],
] as const) {
  t.test(`registration ${what} stays as it is at the first start`, async (t) => {
    const dir = await pythonFolder(t)
    await writeFile(join(dir, '.registration.json'), text, { mode: 0o600 })
    const server = await serveHere(t, dir, disabled)
    await server.close()
    t.equal(await readFile(join(dir, '.registration.json'), 'utf8'), text)
  })
}

const changes: Record<string, (store: MemoryStore, ann: Account) => Promise<unknown>> = {
  createUser: (store) => store.createUser({ username: 'bob', key: 'K' }),
  setKey: (store, ann) => store.setKey(ann, 'L'),
  deleteUser: (store, ann) => store.deleteUser(ann),
  putProgress: (store, ann) => store.putProgress(ann, pushed),
  addProgress: (store, ann) => store.addProgress(ann, pushed),
}

for (const [name, change] of Object.entries(changes)) {
  t.test(`${name} waits for the backup, and is refused when that takes too long`, async (t) => {
    const store = new MemoryStore()
    await store.createUser({ username: 'ann', key: 'K' })
    const ann = await accountOf(store, 'ann')
    let done = (): void => undefined
    const whole = new Promise<void>((resolve) => (done = resolve))
    const held = holdChanges(store, whole, (error) => t.fail(String(error)), { change: 0, upgrade: 0 }) as MemoryStore
    const refused = change(held, ann)
    const error = await refused.catch((thrown: unknown) => thrown)
    t.match(error, { error: 'unavailable', retryAfter: Number })
    t.match(await held.getUser('ann'), { key: 'K' })
    t.equal(await held.getProgress(ann, 'abc'), undefined)
    t.same(await held.listHistory(ann, 'abc'), [])
    t.same(await held.getRegistration(), await store.getRegistration())
    done()
    await t.resolves(change(held, ann))
    await t.resolves(held.close())
  })
}

t.test(
  'a key gets its stronger form when the backup is there, and its log-in does not wait long for that',
  async (t) => {
    const store = new MemoryStore()
    await store.createUser({ username: 'ann', key: 'K' })
    const ann = await accountOf(store, 'ann')
    let done = (): void => undefined
    const whole = new Promise<void>((resolve) => (done = resolve))
    const failed: unknown[] = []
    const held = holdChanges(store, whole, (error) => failed.push(error), { change: 0, upgrade: 0 })
    await held.upgradeKey(ann, 'K', 'hash')
    await held.upgradeKey({ ...ann, id: 'of another account' }, 'K', 'hash')
    t.match(await store.getUser('ann'), { key: 'K' })
    const soon = held.upgradeKey(ann, 'K', 'hash')
    done()
    await soon
    t.match(await store.getUser('ann'), { key: 'hash' })
    await until(() => failed.length > 0)
    t.match(failed, [{ code: 'STALE_ACCOUNT' }])
    await held.upgradeKey(ann, 'hash', 'stronger')
    t.match(await store.getUser('ann'), { key: 'stronger' })
  },
)

t.test('a change of the format that was stopped is never whole', async (t) => {
  let end = (): void => undefined
  const change = beginFormatChange((signal) => {
    return new Promise((resolve) => {
      end = resolve
      signal.addEventListener('abort', () => resolve())
    })
  })
  let calls = 0
  const call = holdCalls(async () => (calls += 1), change.whole)
  void call('setKey', [])
  t.equal(await call('getUser', []), 1, 'what changes nothing does not wait')
  await change.stop()
  end()
  t.equal(calls, 1)
})

t.test('a change whose command ended while it waited for the backup is dropped', async (t) => {
  let done = (): void => undefined
  const whole = new Promise<void>((resolve) => (done = resolve))
  const changed: unknown[] = []
  const call = holdCalls(async (_method, args) => changed.push(...args), whole)
  const sockets: Socket[] = []
  let asked = 0
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.write('{}\n')
    serveCalls(socket, (method, args) => {
      asked += 1
      return call(method, args)
    })
  })
  const path = join(await folder(t), 'socket')
  await once(server.listen(path), 'listening')
  t.teardown(() => server.close())
  const [gone, waiting] = [await ControlChannel.open(path), await ControlChannel.open(path)]
  const dropped = gone.call('setDisabled', ['dropped'])
  const answered = waiting.call('setDisabled', ['done'])
  await until(() => asked === 2)
  gone.close()
  await t.rejects(dropped)
  await until(() => sockets.filter((socket) => socket.destroyed).length === 1)
  done()
  t.equal(await answered, 1)
  t.same(changed, ['done'])
  waiting.close()
})
