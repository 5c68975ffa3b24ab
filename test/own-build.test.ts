import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { buildOwn } from './own-build.ts'
import { readVersion } from '../src/version.ts'

const run = promisify(execFile)
const version = ['--version']

async function tempFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kss-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return join(folder, 'build')
}

t.test('a build runs as the project does, or with a bug in it', async (t) => {
  const { launcher } = await buildOwn(await tempFolder(t), ['src/bin.ts'])
  t.equal((await run(process.execPath, [launcher, ...version])).stdout, `${readVersion()}\n`)
  const mutant = { file: 'version.ts', text: 'return (JSON.parse(text)\n as', by: "return ({ version: 'wrong' } as" }
  const mutated = await buildOwn(await tempFolder(t), ['src/bin.ts'], mutant)
  t.equal((await run(process.execPath, [mutated.launcher, ...version])).stdout, 'wrong\n')
})

t.test('a bug is refused when the text that it replaces is not there, or more than once', async (t) => {
  const build = async (file: string, text: string): Promise<unknown> =>
    buildOwn(await tempFolder(t), ['src/bin.ts'], { file, text, by: '' })
  await t.rejects(build('durable.ts', 'not in there'), {
    message: 'durable.ts has this 0 times, not once: not in there',
  })
  await t.rejects(build('durable.ts', 'await '), /has this \d+ times, not once/)
  await t.rejects(build('not-there.ts', 'await '), { code: 'ENOENT' })
  await t.rejects(build('store/memory-store.ts', 'export class MemoryStore'), /memory-store.ts is not in the build/)
})
