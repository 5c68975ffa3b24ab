import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { pushed } from '../store/contract.ts'
import { run, runJson } from '../commands/run.ts'
import { folder, openStore, serveHere, stateFolder } from '../commands/state-fixture.ts'
import { byName } from '../store/by-name.ts'
import { until } from '../until.ts'

/** A folder as Python kss left it. */
async function pythonFolder(t: Test): Promise<string> {
  const dir = await folder(t)
  await mkdir(join(dir, 'ann'))
  await writeFile(join(dir, 'ann', 'auth.json'), '{"x-auth-user": "ann", "x-auth-key": "K"}')
  await writeFile(join(dir, 'ann', 'abc.json'), JSON.stringify(pushed))
  return dir
}

const backupsIn = async (dir: string): Promise<string[]> => await readdir(join(dir, '.backups')).catch(() => [])
const formatIn = async (dir: string): Promise<string | undefined> =>
  await readFile(join(dir, '.format'), 'utf8').catch(() => undefined)

for (const [name, open] of [
  ['a command', (_t: Test, dir: string) => run(dir, 'user', 'list')],
  [
    'a server',
    async (t: Test, dir: string) => {
      const server = await serveHere(t, dir)
      await until(async () => (await formatIn(dir)) === '{"format":2}\n')
      await server.close()
    },
  ],
] as const) {
  t.test(`a folder of Python kss is backed up before ${name} has it for the first time, and not again`, async (t) => {
    const dir = await pythonFolder(t)
    await open(t, dir)
    const [backup = '', ...others] = await backupsIn(dir)
    t.match(backup, /^kss-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-before-format-1\.tar\.gz$/)
    t.same(others, [])
    t.equal((await stat(join(dir, '.backups', backup))).mode & 0o777, 0o600)
    t.equal(await formatIn(dir), '{"format":1}\n')
    const target = await folder(t)
    t.match(await run(target, 'backup', 'restore', join(dir, '.backups', backup)), { code: 0 })
    t.match(await runJson(target, 'doc', 'list', 'ann'), [pushed])
    await rm(join(dir, '.backups'), { recursive: true })
    await open(t, dir)
    t.same(await backupsIn(dir), [])
  })

  t.test(`an empty folder is only marked by ${name}`, async (t) => {
    const dir = await folder(t)
    await open(t, dir)
    t.same(await backupsIn(dir), [])
    t.equal(await formatIn(dir), '{"format":1}\n')
  })
}

t.test('a backup that cannot be made keeps nothing from its start, and is tried again', async (t) => {
  const dir = await pythonFolder(t)
  await writeFile(join(dir, '.backups'), 'in the way')
  for (let start = 0; start < 2; start++) {
    t.match(await run(dir, 'user', 'list'), {
      code: 0,
      stdout: /^ann /m,
      stderr: /^Cannot make the backup before format 1: .*ENOTDIR.*\n$/,
    })
    t.equal(await formatIn(dir), undefined)
  }
  await rm(join(dir, '.backups'))
  t.match(await run(dir, 'user', 'list'), { code: 0, stderr: '' })
  t.equal((await backupsIn(dir)).length, 1)
})

for (const [mark, message] of [
  [
    '{"format":3}',
    (dir: string) => `The folder ${dir} has format 3, and this kss knows only 2. Install a newer kss-server.`,
  ],
  ['{', (dir: string) => `${join(dir, '.format')}: is not JSON. Take it from a backup, or write {"format":1} into it.`],
  [
    '[]',
    (dir: string) =>
      `${join(dir, '.format')}: is not a JSON object. Take it from a backup, or write {"format":1} into it.`,
  ],
  [
    '{"format":"x"}',
    (dir: string) => `${join(dir, '.format')}: has no number. Take it from a backup, or write {"format":1} into it.`,
  ],
  [
    '{}',
    (dir: string) => `${join(dir, '.format')}: has no number. Take it from a backup, or write {"format":1} into it.`,
  ],
] as const) {
  t.test(`nothing works on a folder whose mark is ${mark}, and nothing is changed in it`, async (t) => {
    const dir = await stateFolder(t)
    await writeFile(join(dir, '.format'), mark)
    const before = await readdir(dir, { recursive: true })
    t.match(await run(dir, 'user', 'add', 'bob', '--random'), { code: 1, stderr: `${message(dir)}\n` })
    await t.rejects(serveHere(t, dir), { exitCode: 1, message: message(dir) })
    t.same(await readdir(dir, { recursive: true }), before)
  })
}

t.test('a mark that cannot be read is one line', async (t) => {
  const dir = await stateFolder(t)
  await rm(join(dir, '.format'))
  await mkdir(join(dir, '.format'))
  t.match(await run(dir, 'user', 'list'), { code: 1, stderr: /^It failed: EISDIR: .*\n$/ })
})

t.test('a backup that could not be made before a crash is made at the next start', async (t) => {
  const dir = await stateFolder(t)
  await writeFile(join(dir, '.format'), '{"format":2,"before":0}')
  t.match(await run(dir, 'user', 'list'), { code: 0, stderr: '' })
  t.match(await backupsIn(dir), [/before-format-1/])
  t.equal(await readFile(join(dir, '.format'), 'utf8'), '{"format":1}\n')
})

t.test('an older format is backed up, too, before it is changed', async (t) => {
  const dir = await stateFolder(t)
  await writeFile(join(dir, '.format'), '{"format":0}')
  t.match(await run(dir, 'user', 'list'), { code: 0, stderr: '' })
  t.match(await backupsIn(dir), [/before-format-1/])
  const store = await openStore(dir)
  t.equal((await byName(store).listHistory('alice', '35322b7036d0c3298eedde8c30429693')).length, 4)
  await store.close()
})
