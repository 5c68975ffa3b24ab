import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { loadConfig, type Values } from '../../src/config.ts'
import { takeKeptKeys } from '../../src/commands/kept-keys.ts'
import type { User } from '../../src/store/store.ts'
import { serve } from './kss.ts'

const tmpfs = 0x01021994
const memory = '/dev/shm'
const hasMemory = process.platform === 'linux' && fs.existsSync(memory) && fs.statfsSync(memory).type === tmpfs
const needsMemory = !hasMemory && 'there is no tmpfs at /dev/shm'
const needsRoot = needsMemory || (process.getuid?.() !== 0 && 'only root can give files away')

const stored = `$scrypt$ln=14,r=8,p=1$${'s'.repeat(22)}$${'h'.repeat(43)}`
const ann: User = {
  username: 'ann',
  key: stored,
  account: { username: 'ann', folder: 'ann', id: '1', generation: 1 },
}
const start = Date.UTC(2030, 0, 1)
const minute = 60_000

async function newFolder(t: Test, parent: string): Promise<string> {
  const folder = await mkdtemp(join(parent, 'kss-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

interface Place {
  dir: string
  runtime: string
}

/** A state directory, and a runtime directory in memory. */
async function newPlace(t: Test): Promise<Place> {
  return { dir: await newFolder(t, tmpdir()), runtime: await newFolder(t, memory) }
}

interface Opened extends Awaited<ReturnType<typeof takeKeptKeys>> {
  /** What was logged. */
  log: string[]
}

/** What a server does at its start. */
async function open({ dir, runtime }: Place, now = start, take = takeKeptKeys, settings: Values = {}): Promise<Opened> {
  const { config } = loadConfig({}, undefined, { KSS_DIR: dir, XDG_RUNTIME_DIR: runtime, ...settings })
  const log: string[] = []
  const logger = pino({ level: 'debug' }, { write: (line) => log.push(line) })
  return { ...(await take(config, logger, () => now)), log }
}

/** Leaves the key of ann, as a server does that stops; resolves to the path of the file. */
async function leave(place: Place, now = start): Promise<string> {
  const { verified, save } = await open(place, now)
  verified.remember(ann, 'open sesame')
  await save()
  const [name = ''] = await readdir(place.runtime)
  return join(place.runtime, name)
}

t.test('what one server verified the next one knows, and the file is gone then', { skip: needsMemory }, async (t) => {
  const place = await newPlace(t)
  const path = await leave(place)
  t.match(path, /\/kss-verified-[\da-f]{16}\.json$/)
  t.equal(fs.statSync(path).mode & 0o777, 0o600)
  t.notMatch(await readFile(path, 'utf8'), /sesame|scrypt|hhh/, 'neither the key nor the hash')
  const { verified, log } = await open(place, start + 10 * minute)
  t.same(await readdir(place.runtime), [])
  t.equal(verified.has(ann, 'wrong'), false)
  t.equal(verified.has(ann, 'open sesame'), true)
  t.same(log, [])
  const third = await open(place, start + 10 * minute)
  t.equal(third.verified.has(ann, 'open sesame'), false, 'once')
})

t.test('a hash that was edited in between is verified again', { skip: needsMemory }, async (t) => {
  const place = await newPlace(t)
  await leave(place)
  const { verified } = await open(place)
  t.equal(verified.has({ ...ann, key: stored.replace('hhh', 'iii') }, 'open sesame'), false)
  t.equal(verified.has(ann, 'open sesame'), false, 'and is worth nothing from then on')
})

for (const [settings, isKnown] of [
  [{ KSS_SCRYPT_COST: '15' }, false],
  [{ KSS_SCRYPT_COST: '15', KSS_HASH_KEYS: 'false' }, true],
] as const) {
  t.test(`a hash of cost 14 with ${JSON.stringify(settings)}`, { skip: needsMemory }, async (t) => {
    const place = await newPlace(t)
    await leave(place)
    const { verified } = await open(place, start, takeKeptKeys, settings)
    t.equal(verified.has(ann, 'open sesame'), isKnown)
  })
}

t.test('servers of other state directories have files of their own', { skip: needsMemory }, async (t) => {
  const place = await newPlace(t)
  const other = { ...place, dir: await newFolder(t, tmpdir()) }
  await leave(place)
  t.equal((await open(other)).verified.has(ann, 'open sesame'), false)
  // By way of a link it is the same one.
  const link = join(other.dir, 'link')
  await symlink(place.dir, link)
  t.equal((await open({ ...place, dir: link })).verified.has(ann, 'open sesame'), true)
})

/** Puts a changed copy of what the file holds into its place. */
const rewrite =
  (change: object) =>
  async (path: string): Promise<void> =>
    writeFile(path, JSON.stringify({ ...(JSON.parse(await readFile(path, 'utf8')) as object), ...change }))

for (const [what, spoil] of [
  ['torn', (path: string) => truncate(path, fs.statSync(path).size - 1)],
  ['empty', (path: string) => truncate(path)],
  ['no object', (path: string) => writeFile(path, 'null')],
  ['of another format', rewrite({ format: 2 })],
  ['without a time', rewrite({ written: null })],
  ['without a secret', rewrite({ secret: undefined })],
  ['without keys', rewrite({ keys: {} })],
  ['with a key that is none', rewrite({ keys: [null] })],
  ['with a key of other parts', rewrite({ keys: [['ann', 'a', 'b', '1']] })],
  ['older than ten minutes', rewrite({ written: start - 10 * minute - 1 })],
  ['from the future', rewrite({ written: start + 1 })],
  ['for others to read', (path: string) => chmod(path, 0o640)],
  ['a pipe', (path: string) => void (fs.rmSync(path), spawnSync('mkfifo', ['-m', '600', path]))],
] as const) {
  t.test(`a file that is ${what} counts for nothing, and goes`, { skip: needsMemory }, async (t) => {
    const place = await newPlace(t)
    await spoil(await leave(place))
    t.equal((await open(place)).verified.has(ann, 'open sesame'), false)
    t.same(await readdir(place.runtime), [])
  })
}

t.test('the log tells nothing of what is in a torn file', { skip: needsMemory }, async (t) => {
  const place = await newPlace(t)
  const path = await leave(place)
  await truncate(path, (await readFile(path, 'utf8')).indexOf('"keys"'))
  const { log } = await open(place)
  t.match(log, [/"the file is not whole"/])
  t.notMatch(String(log), /secret|format/)
})

t.test('a file that is longer than any is not read', { skip: needsMemory }, async (t) => {
  const place = await newPlace(t)
  await truncate(await leave(place), 2 ** 27 + 1)
  const { verified, log } = await open(place)
  t.equal(verified.has(ann, 'open sesame'), false)
  t.same(log, [], 'its end would be a syntax error')
})

t.test('a file of another user counts for nothing', { skip: needsRoot }, async (t) => {
  const place = await newPlace(t)
  await chown(await leave(place), 65_534, 65_534)
  t.equal((await open(place)).verified.has(ann, 'open sesame'), false)
})

for (const [what, plant] of [
  ['a link', (path: string, target: string) => symlink(target, path)],
  ['a folder', (path: string) => mkdir(path)],
] as const) {
  t.test(
    `${what} in the place of the file counts for nothing, and is not written through`,
    { skip: needsMemory },
    async (t) => {
      const place = await newPlace(t)
      const path = await leave(place)
      const target = join(await newFolder(t, memory), 'target')
      await rename(path, target)
      const before = await readFile(target, 'utf8')
      await plant(path, target)
      const { verified, save, log } = await open(place)
      t.equal(verified.has(ann, 'open sesame'), false)
      t.equal(log.length, 1)
      t.match(log[0], /"level":20,.*"verified keys are not kept"/)
      await save()
      t.equal(await readFile(target, 'utf8'), before)
    },
  )
}

/** takeKeptKeys on a file system that fails so. */
async function takeWith(t: Test, promises: object): Promise<typeof takeKeptKeys> {
  const mocks = { 'node:fs/promises': { ...fs.promises, ...promises } }
  const module = '../../src/commands/kept-keys.ts'
  return (await t.mockImport<{ takeKeptKeys: typeof takeKeptKeys }>(module, mocks)).takeKeptKeys
}

t.test('a file that can not be deleted is not used', { skip: needsMemory }, async (t) => {
  const place = await newPlace(t)
  await leave(place)
  const take = await takeWith(t, { rm: () => Promise.reject(new Error('EROFS')) })
  const { verified, log } = await open(place, start, take)
  t.equal(verified.has(ann, 'open sesame'), false)
  t.match(log, [/"level":20,.*EROFS/])
})

t.test('a write that fails leaves no file', { skip: needsMemory }, async (t) => {
  const place = await newPlace(t)
  const calls: string[] = []
  // As if another program made the file anew at once.
  const rmLater: typeof rm = async (path) => {
    if (calls.push(String(path)) > 1) await rm(path)
  }
  const { save, log } = await open(place, start, await takeWith(t, { rm: rmLater }))
  await leave(place)
  await save()
  t.match(log, [/"level":20,.*EEXIST/])
  t.same(await readdir(place.runtime), [])
})

/** Nothing is kept, and nothing fails. */
async function keepsNothing(t: Test, place: Place): Promise<string[]> {
  const { verified, save, log } = await open(place)
  verified.remember(ann, 'open sesame')
  await save()
  t.equal((await open(place)).verified.has(ann, 'open sesame'), false)
  return log
}

t.test(
  'a file system that may be a disk gets no keys',
  { skip: process.platform !== 'linux' && 'no /proc' },
  async (t) => {
    const dir = await newFolder(t, tmpdir())
    t.same(await keepsNothing(t, { dir, runtime: '/proc' }), [])
  },
)

t.test('without a runtime directory nothing is kept', async (t) => {
  const dir = await newFolder(t, tmpdir())
  t.same(await keepsNothing(t, { dir, runtime: '' }), [])
  t.same(await readdir(dir), [])
})

t.test('a runtime directory that is not there is a line for who looks for bugs', { skip: needsMemory }, async (t) => {
  const { dir, runtime } = await newPlace(t)
  t.match(await keepsNothing(t, { dir, runtime: join(runtime, 'none') }), [/"level":20,.*ENOENT/])
})

t.test('the state directory gets no keys, nor a folder in it', { skip: needsMemory }, async (t) => {
  const dir = await newFolder(t, memory)
  const runtime = join(dir, 'run')
  await mkdir(runtime)
  t.same(await keepsNothing(t, { dir, runtime }), [])
  t.same(await keepsNothing(t, { dir, runtime: dir }), [])
  t.same(await readdir(dir, { recursive: true }), ['run'])
})

t.test('a folder of another user gets no keys', { skip: needsRoot }, async (t) => {
  const { dir, runtime } = await newPlace(t)
  const folder = join(runtime, 'run')
  await mkdir(folder)
  await chown(folder, 65_534, 65_534)
  t.match(await keepsNothing(t, { dir, runtime: folder }), [/"level":20,.*belongs to user 65534/])
  t.same(await readdir(folder), [])
})

t.test('a reader needs not prove its key after a clean restart, but after a kill', { skip: needsMemory }, async (t) => {
  const { dir, runtime } = await newPlace(t)
  const env = { RUNTIME_DIRECTORY: runtime, KSS_LOGIN_FAILURES_PER_MINUTE: '1' }
  const ask = async (url: string, key: string): Promise<number> =>
    (await fetch(`${url}/users/auth`, { headers: { 'x-auth-user': 'ann', 'x-auth-key': key } })).status
  const first = await serve(t, dir, [], env)
  await fetch(`${first.url}/users/create`, { method: 'POST', body: '{"username":"ann","password":"secret"}' })
  t.equal(await ask(first.url, 'secret'), 200)
  t.same(await readdir(runtime), [], 'nothing while it runs')
  t.equal(await first.stop(), 0)
  const [name = ''] = await readdir(runtime)
  t.match(name, /^kss-verified-/)
  t.equal(fs.statSync(join(runtime, name)).mode & 0o777, 0o600)

  const second = await serve(t, dir, [], env)
  t.same(await readdir(runtime), [])
  t.equal(await ask(second.url, 'wrong'), 401)
  let guesses = 0
  while ((await ask(second.url, `wrong ${guesses}`)) !== 429) guesses += 1
  t.equal(await ask(second.url, 'secret'), 200, 'known without a check, which would be over the limit')
  await second.stop('SIGKILL')
  t.same(await readdir(runtime), [])
})

t.test('a start that fails leaves the keys to the next one', { skip: needsMemory }, async (t) => {
  const place = await newPlace(t)
  await leave(place, Date.now())
  const failed = serve(t, place.dir, ['--host', '192.0.2.1'], { RUNTIME_DIRECTORY: place.runtime })
  await t.rejects(failed, /no address 192\.0\.2\.1/)
  t.equal((await open(place, Date.now())).verified.has(ann, 'open sesame'), true)
})
