import { execFile } from 'node:child_process'
import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { readVersion } from '../src/version.ts'
import { brokenLinks } from './links.ts'
import { startServer, syncOnce } from './server-process.ts'

const run = promisify(execFile)
const project = join(import.meta.dirname, '..')
const launcher = join(project, 'bin', 'kss.cjs')

interface Packed {
  filename: string
  files: { path: string; mode: number }[]
}

interface Lock {
  packages: Record<string, { version: string }>
}

/** Outside of the project, so that nothing in there finds the project's node_modules. */
async function tempFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kss-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function pack(folder: string): Promise<Packed> {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]
  const { stdout } = await run('npm', args, { cwd: project })
  const [packed] = JSON.parse(stdout) as Packed[]
  if (!packed) throw new Error(`npm pack printed ${stdout}`)
  return packed
}

const packing = tempFolder(t).then(async (folder) => ({ folder, ...(await pack(folder)) }))

t.test('the package holds the program and its documents, and nothing else', async (t) => {
  const { files } = await packing
  const paths = files.map(({ path }) => path)
  const documents = paths.filter((path) => !/^(bin|dist)\//.test(path))
  const pages = (await readdir(project)).filter((name) => name.endsWith('.md'))
  const docs = await readdir(join(project, 'docs'), { recursive: true, withFileTypes: true })
  const inDocs = docs
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(project, join(parentPath, name)))
  const expected = ['LICENSE', 'openapi.json', 'package.json', ...pages, ...inDocs]
  t.same(documents.toSorted(), expected.toSorted())
  const programs = paths.filter((path) => /^(bin|dist)\//.test(path))
  const built = (await readdir(join(project, 'dist'))).filter((name) =>
    /^(LICENCES\.txt|style\.css|[\w-]+\.js(\.map)?)$/.test(name),
  )
  t.same(programs.toSorted(), ['bin/kss.cjs', ...built.map((name) => `dist/${name}`)].toSorted())
  const bin = files.find(({ path }) => path === 'bin/kss.cjs')
  t.equal((bin?.mode ?? 0) & 0o111, 0o111, 'bin/kss.cjs is executable')
})

t.test('the installed package', async (t) => {
  const { folder, filename } = await packing
  // Without the registry: all that it needs is in it.
  const install = ['install', '--global', '--offline', '--prefix', folder, join(folder, filename)]
  const { stderr } = await run('npm', install)
  const kss = join(folder, 'bin', 'kss')
  const home = join(folder, 'lib', 'node_modules', 'kss-server')

  await t.test('causes no warning of npm about engines or scripts', async (t) => {
    t.notMatch(stderr, /EBADENGINE|scripts/)
  })

  await t.test('needs no other package', async (t) => {
    t.notOk((await readdir(home)).includes('node_modules'))
  })

  await t.test('has the licence of each package that is in it, in the version of package-lock.json', async (t) => {
    const lock = JSON.parse(await readFile(join(project, 'package-lock.json'), 'utf8')) as Lock
    const paths = Object.entries(lock.packages)
    const locked = new Set(paths.map(([path, { version }]) => `${path.replace(/^.*node_modules\//, '')} ${version}`))
    const licences = (await readFile(join(home, 'dist', 'LICENCES.txt'), 'utf8')).split(/\n-{80}\n\n/)
    const names = licences.map(
      (text) =>
        /^(\S+ \S+): (MIT|ISC|0BSD|BSD-2-Clause|BSD-3-Clause|Apache-2\.0|BlueOak-1\.0\.0)\n\n/.exec(text)?.[1] ?? text,
    )
    t.same(
      names.filter((name) => !locked.has(name)),
      [],
    )
    for (const name of ['fastify', 'pino', 'env-schema', 'lru-cache']) {
      t.ok(
        names.some((each) => each.startsWith(`${name} `)),
        name,
      )
    }
    const without = licences.filter((text) => !/permission|redistribut|license/i.test(text))
    t.match(without, [/^abstract-logging .*\n\nIts package has no file with the licence\.\n$/])
  })

  await t.test('has all that its documents link to', async (t) => {
    t.same(await brokenLinks(home), [])
  })

  await t.test('prints its version', async (t) => {
    t.equal((await run(kss, ['--version'])).stdout, `${readVersion()}\n`)
    t.equal((await run(`${kss}-server`, ['--version'])).stdout, `${readVersion()}\n`)
  })

  await t.test('serves a reader, and stops on SIGTERM with exit code 0', async (t) => {
    const server = await startServer(t, [kss], join(folder, 'state'))
    t.match(await syncOnce(server.url), { document: 'dune', percentage: 0.25, progress: '56', device: 'kobo' })
    t.equal((await run(kss, ['healthcheck', server.url])).stdout, 'OK\n')
    t.equal(await server.stop(), 0)
  })
})

t.test('without a build kss says in one line how to make one', async (t) => {
  const folder = await tempFolder(t)
  await mkdir(join(folder, 'bin'))
  await copyFile(launcher, join(folder, 'bin', 'kss.cjs'))
  await t.rejects(run(process.execPath, [join(folder, 'bin', 'kss.cjs'), '--version']), {
    code: 1,
    stdout: '',
    stderr: 'kss is not built here. Run: npm ci\n',
  })
})

t.test('the age of Node', async (t) => {
  const folder = await tempFolder(t)
  // A build that only tells that it was reached.
  await cp(join(project, 'bin'), join(folder, 'bin'), { recursive: true })
  await mkdir(join(folder, 'dist'))
  await writeFile(join(folder, 'dist', 'bin.js'), 'console.log("started")')
  const preload = join(folder, 'preload.cjs')

  const start = async (version: string): Promise<{ stdout: string; stderr: string }> => {
    const versions = `{ ...process.versions, node: '${version}' }`
    await writeFile(preload, `Object.defineProperty(process, 'versions', { value: ${versions} })`)
    return run(process.execPath, ['--require', preload, join(folder, 'bin', 'kss.cjs')])
  }

  for (const version of ['0.10.48', '18.20.8', '20.9.0', '20.18.3']) {
    await t.test(`Node ${version} is too old, which kss says in one line`, async (t) => {
      await t.rejects(start(version), {
        code: 1,
        stdout: '',
        stderr: `kss needs Node.js 20.19 or newer; this is ${version}. See https://nodejs.org\n`,
      })
    })
  }

  for (const version of ['20.19.0', '20.100.0', '22.12.0', '24.0.0', '100.0.0']) {
    await t.test(`Node ${version} is new enough`, async (t) => {
      t.equal((await start(version)).stdout, 'started\n')
    })
  }
})
