import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'

const run = promisify(execFile)
const project = join(import.meta.dirname, '..')
const outdated = { code: 2, stdout: '', stderr: 'The build is older than the source. Run: npm run build\n' }

interface Checkout {
  folder: string
  write: (name: string, text: string) => Promise<void>
  build: () => Promise<unknown>
  start: () => Promise<{ stdout: string }>
}

async function tempFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kss-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

const buildIn = (folder: string): Promise<unknown> => run(process.execPath, [join(folder, 'build', 'build.js')])

/** A file that is older than any build, as git and `cp -p` may leave it. */
async function writeOld(path: string, text: string): Promise<void> {
  await writeFile(path, text)
  await utimes(path, 1e9, 1e9)
}

/** A checkout of two modules, which is quick to compile; it is built. */
const template = await tempFolder(t)
for (const name of ['bin', 'build', 'package.json', 'tsconfig.json', 'tsconfig.build.json']) {
  await cp(join(project, name), join(template, name), { recursive: true })
}
await symlink(join(project, 'node_modules'), join(template, 'node_modules'))
await mkdir(join(template, 'src'))
await writeOld(join(template, 'src', 'bin.ts'), "import { word } from './word.ts'\nconsole.log(word)\n")
await writeOld(join(template, 'src', 'word.ts'), "export const word: string = 'first'\n")
await buildIn(template)

/** A copy of it. */
async function checkOut(t: Test): Promise<Checkout> {
  const folder = await tempFolder(t)
  await cp(template, folder, { recursive: true, verbatimSymlinks: true })
  return {
    folder,
    write: (name, text) => writeOld(join(folder, name), text),
    build: () => buildIn(folder),
    start: () => run(process.execPath, [join(folder, 'bin', 'kss.cjs')]),
  }
}

t.test('a build of these sources runs', async (t) => {
  const { start } = await checkOut(t)
  t.match(await start(), { stdout: 'first\n' })
})

const changes: [string, (checkout: Checkout) => Promise<void>][] = [
  ['changed', ({ write }) => write('src/word.ts', "export const word: string = 'other'\n")],
  ['added', ({ write }) => write('src/new.ts', 'export {}\n')],
  ['removed', ({ folder }) => rm(join(folder, 'src/word.ts'))],
  ['compiled by other rules', ({ write }) => write('tsconfig.build.json', '{"extends":"./tsconfig.json"}')],
]

for (const [what, change] of changes) {
  t.test(`a build is refused when a source was ${what} since, even by an old file`, async (t) => {
    const checkout = await checkOut(t)
    await change(checkout)
    await t.rejects(checkout.start(), outdated)
  })
}

t.test('a build that does not say what it was made from is refused', async (t) => {
  const { folder, start } = await checkOut(t)
  await rm(join(folder, 'dist', '.sources'))
  await t.rejects(start(), outdated)
})

t.test('a second build of the same sources leaves the first one as it is', async (t) => {
  const { folder, build } = await checkOut(t)
  const before = await stat(join(folder, 'dist'))
  await build()
  t.equal((await stat(join(folder, 'dist'))).ino, before.ino)
})

t.test('a build after a change leaves nothing of the one before', async (t) => {
  const { folder, write, build, start } = await checkOut(t)
  await write('src/bin.ts', "console.log('alone')\n")
  await rm(join(folder, 'src/word.ts'))
  await build()
  t.match(await start(), { stdout: 'alone\n' })
  t.same((await readdir(join(folder, 'dist'))).toSorted(), ['.sources', 'bin.js', 'bin.js.map'])
})

t.test('a build that fails leaves the last one, which is then too old', async (t) => {
  const { folder, write, build, start } = await checkOut(t)
  await write('src/word.ts', 'export const word: string = 1\n')
  await t.rejects(build(), { code: 1 })
  t.match(await readFile(join(folder, 'dist', 'word.js'), 'utf8'), "'first'")
  await t.rejects(start(), outdated)
  t.notOk(
    (await readdir(folder)).some((name) => name.startsWith('dist.')),
    'nothing of the failed build stays',
  )
})
