import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { describeSources } from '../build/sources.cjs'
import { until } from './until.ts'

const run = promisify(execFile)
const project = join(import.meta.dirname, '..')
const outdated = { code: 2, stdout: '', stderr: 'The build is older than the source. Run: npm run build\n' }

interface Checkout {
  folder: string
  /** The file in which the build notes its sources. */
  note: string
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

/** A checkout of two modules; it is built. */
const template = await tempFolder(t)
for (const name of ['bin', 'build', 'package.json', 'package-lock.json', 'tsconfig.json']) {
  await cp(join(project, name), join(template, name), { recursive: true })
}
await symlink(join(project, 'node_modules'), join(template, 'node_modules'))
await mkdir(join(template, 'src'))
await writeOld(join(template, 'src', 'bin.ts'), "import { word } from './word.ts'\nconsole.log(word)\n")
await writeOld(join(template, 'src', 'word.ts'), "export const word: string = 'first'\n")
// Instead of the schemas of the whole server.
await writeOld(
  join(template, 'build', 'schemas.js'),
  "await import('../src/word.ts')\nexport { recorded } from 'ajv'\n",
)
await buildIn(template)

/** Resolves when a change of a file has a later time than the file has now. */
async function nextTick(file: string): Promise<void> {
  const { ctimeMs } = await stat(file)
  await until(async () => {
    await utimes(file, 1e9, 1e9)
    return Math.floor((await stat(file)).ctimeMs) > Math.floor(ctimeMs)
  })
}

/** A copy of it, with what a build in that folder would note when a tick of the clock has passed. */
async function checkOut(t: Test): Promise<Checkout> {
  const folder = await tempFolder(t)
  await cp(template, folder, { recursive: true, verbatimSymlinks: true })
  const note = join(folder, 'dist', '.sources')
  await writeFile(note, describeSources(folder, Infinity))
  await nextTick(note)
  return {
    folder,
    note,
    write: (name, text) => writeOld(join(folder, name), text),
    build: () => buildIn(folder),
    start: () => run(process.execPath, [join(folder, 'bin', 'kss.cjs')]),
  }
}

t.test('a build of these sources runs', async (t) => {
  const { start } = await checkOut(t)
  t.match(await start(), { stdout: 'first\n' })
})

t.test('a build runs where its sources were copied, and are as old as the copy', async (t) => {
  const { note, start } = await checkOut(t)
  await cp(join(template, 'dist', '.sources'), note)
  t.match(await start(), { stdout: 'first\n' })
})

t.test('sources are not read where no file and no folder has changed', async (t) => {
  const { note, start } = await checkOut(t)
  await writeFile(note, (await readFile(note, 'utf8')).replace(/ .*/, ' of others'))
  t.match(await start(), { stdout: 'first\n' })
})

const changes: [string, (checkout: Checkout) => Promise<void>][] = [
  ['made of a changed source', ({ write }) => write('src/word.ts', "export const word: string = 'other'\n")],
  ['made of one more source', ({ write }) => write('src/new.ts', 'export {}\n')],
  ['made of one source less', ({ folder }) => rm(join(folder, 'src/word.ts'))],
  ['compiled by other rules', ({ write }) => write('tsconfig.json', '{}')],
  ['bundled by other rules', ({ write }) => write('build/new.js', 'export {}\n')],
  ['bundled with other packages', ({ write }) => write('package-lock.json', '{}')],
]

for (const [what, change] of changes) {
  t.test(`a build is refused when it would be ${what} now, even by an old file`, async (t) => {
    const checkout = await checkOut(t)
    await change(checkout)
    await t.rejects(checkout.start(), outdated)
  })
}

t.test('what was changed just before a build is read at the next start: it may have changed again since', async (t) => {
  const { folder, note, write, start } = await checkOut(t)
  await write('src/new.ts', 'export {}\n')
  const { ctimeMs } = await stat(join(folder, 'src/new.ts'))
  const times = describeSources(folder, ctimeMs + 500).replace(/ .*/, '')
  await writeFile(note, `${times} of others`)
  await t.rejects(start(), outdated)
})

t.test('a build that does not say what it was made from is refused', async (t) => {
  const { note, start } = await checkOut(t)
  await rm(note)
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
  await write('build/schemas.js', "export { recorded } from 'ajv'\n")
  await rm(join(folder, 'src/word.ts'))
  await build()
  t.match(await start(), { stdout: 'alone\n' })
  t.same((await readdir(join(folder, 'dist'))).toSorted(), ['.sources', 'LICENCES.txt', 'bin.js', 'bin.js.map'])
})

t.test('a build that fails leaves the last one, which is then too old', async (t) => {
  const { folder, write, build, start } = await checkOut(t)
  await write('src/word.ts', 'export const word: string =\n')
  await t.rejects(build(), { code: 1, stderr: /src\/word\.ts:2:0: ERROR: Unexpected end of file/ })
  t.match(await readFile(join(folder, 'dist', 'bin.js'), 'utf8'), '"first"')
  await t.rejects(start(), outdated)
  t.notOk(
    (await readdir(folder)).some((name) => name.startsWith('dist.')),
    'nothing of the failed build stays',
  )
})

t.test('what is imported lazily is loaded lazily', async (t) => {
  const { folder, write, build, start } = await checkOut(t)
  await write('src/word.ts', "console.log('loaded')\n")
  await write('src/bin.ts', "console.log('first')\nawait import('./word.ts')\n")
  await build()
  t.match(await start(), { stdout: 'first\nloaded\n' })
  t.match(await readdir(join(folder, 'dist')), ['.sources', 'LICENCES.txt', 'bin.js', 'bin.js.map', /^word-\w+\.js$/])
})

t.test('a build has the names of the sources, and maps to their lines', async (t) => {
  const { folder, write, build } = await checkOut(t)
  await write('src/word.ts', "\n\nexport function word(): never {\n  throw new Error('here')\n}\n")
  await write('src/bin.ts', "import { word } from './word.ts'\nword()\n")
  await build()
  const bin = join(folder, 'bin', 'kss.cjs')
  t.match(await readFile(join(folder, 'dist', 'bin.js'), 'utf8'), 'function word()')
  await t.rejects(run(process.execPath, ['--enable-source-maps', bin]), {
    code: 1,
    stderr: /at word \(.*src\/word\.ts:4:9\)/,
  })
})

t.test('validators are compiled by the build, for a schema and its options', async (t) => {
  const { folder, write, build, start } = await checkOut(t)
  const source = `import { Ajv } from 'ajv'
    const isText = new Ajv({ allErrors: true }).compile({ type: 'string', maxLength: 3, pattern: '^a' })
    console.log(isText('ab'), isText('long'), isText.errors?.map(({ keyword }) => keyword).join())
    const shape = { properties: { port: { type: 'integer', default: 80 } } }
    const ajv = new Ajv({ coerceTypes: true, useDefaults: true })
    const [one, other] = [{}, { port: '8080' }]
    console.log(ajv.validate(shape, one), ajv.validate(shape, other), JSON.stringify([one, other]))
    console.log(ajv.validate(shape, { port: 'x' }), ajv.errorsText(ajv.errors, { dataVar: 'env' }))
    export const word = 'last'
`
  await write('src/word.ts', source)
  await build()
  const lines = [
    'true false maxLength,pattern',
    'true true [{"port":80},{"port":8080}]',
    'false env/port must be integer',
  ]
  t.same((await start()).stdout, [...lines, 'last', ''].join('\n'))
  t.notMatch(await readFile(join(folder, 'dist', 'bin.js'), 'utf8'), 'compileSchema', 'Ajv itself is not in it')
})

t.test('a schema that the build does not know is an error at once', async (t) => {
  const { write, build, start } = await checkOut(t)
  await write('src/bin.ts', "import { Ajv } from 'ajv'\nnew Ajv().compile({})\n")
  await build()
  await t.rejects(start(), {
    code: 1,
    stderr: /The build has no validator for a schema: let build\/schemas\.js import its module/,
  })
})
