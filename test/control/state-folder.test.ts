import { spawnSync } from 'node:child_process'
import * as fsPromises from 'node:fs/promises'
import t, { type Test } from 'tap'
import { lockStateFolder, warnOfWriters, type openStateFolder } from '../../src/control/state-folder.ts'
import { builtModule } from '../launcher.ts'

/** openStateFolder on a disk that refuses with the code, as seen by user 1000. */
async function open(t: Test, code: string, dir: string, noFolders = false, uid = 1000): Promise<unknown> {
  const access = async (): Promise<never> => {
    throw Object.assign(new Error(`${code}: refused`), { code })
  }
  const mocks = { 'node:fs/promises': { ...fsPromises, access, ...(noFolders && { mkdir: access }) } }
  const mocked = await t.mockImport<{ openStateFolder: typeof openStateFolder }>(
    '../../src/control/state-folder.ts',
    mocks,
  )
  t.intercept(process, 'getuid', { value: () => uid })
  return await mocked.openStateFolder(dir).catch((error: unknown) => error)
}

for (const [code, why] of [
  ['EROFS', 'it is on a read-only file system'],
  ['ENOSPC', 'the disk is full'],
  ['EIO', 'EIO: refused'],
] as const) {
  t.test(`a folder that answers ${code} is one line`, async (t) => {
    const dir = t.testdir({})
    const message = `Cannot write to the folder ${dir}: ${why}. Choose another one with --dir.`
    t.match(await open(t, code, dir), { message, exitCode: 1 })
  })
}

t.test('a folder of somebody else names both users', async (t) => {
  const dir = t.testdir({})
  const { uid } = await fsPromises.stat(dir)
  t.match(await open(t, 'EACCES', dir), { message: new RegExp(`: it belongs to user ${uid}, and kss runs as 1000\\.`) })
})

t.test('a folder of the same user, who may not write to it, is one line', async (t) => {
  const dir = t.testdir({})
  const { uid } = await fsPromises.stat(dir)
  t.match(await open(t, 'EACCES', dir, false, uid), {
    message: `Cannot write to the folder ${dir}: permission denied.`,
  })
})

t.test('a folder that can not be made, nor looked at, is one line', async (t) => {
  t.match(await open(t, 'EACCES', '/none/kss', true), { message: /\/none\/kss: permission denied\./ })
})

t.test('a folder that goes before it is locked is an error', async (t) => {
  await t.rejects(lockStateFolder('/none', false), {
    message: /^Cannot lock the folder \/none: ENOENT/,
    exitCode: 1,
  })
})

t.test('a process whose folder another one took writes nothing more: it ends with exit code 3', async (t) => {
  const module = await builtModule(t, 'control/state-folder.ts')
  const code = `const { endAtOnce } = await import(${JSON.stringify(module)})
    process.on('exit', () => console.log('exit'))
    endAtOnce('/srv/kss')
    console.log('it went on')`
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    encoding: 'utf8',
  })
  t.same([status, stdout], [3, 'exit\n'])
  t.equal(stderr, 'Another kss has the folder /srv/kss by now, as this one did not run for 30 seconds.\n')
})

t.test('a folder that others may write to is named', async (t) => {
  const dir = t.testdir({})
  for (const [mode, lines] of [
    [0o700, 0],
    [0o755, 0],
    [0o770, 1],
    [0o702, 1],
  ] as const) {
    await fsPromises.chmod(dir, mode)
    const warnings = await warnOfWriters(dir)
    t.equal(warnings.length, lines)
    if (lines > 0) t.match(warnings, [`chmod 700 ${dir}`])
  }
})
