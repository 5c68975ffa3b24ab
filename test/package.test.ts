import { execFile } from 'node:child_process'
import { copyFile, cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { readVersion } from '../src/version.ts'
import { startServer, syncOnce } from './server-process.ts'

const run = promisify(execFile)
const project = join(import.meta.dirname, '..')
const launcher = join(project, 'bin', 'kss.cjs')

interface Packed {
  filename: string
  files: { path: string; mode: number }[]
}

interface Failure {
  code: number
  stdout: string
  stderr: string
}

t.setTimeout(180_000)

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

t.test('the package holds the program and its documents, and nothing else', async (t) => {
  const { files } = await pack(await tempFolder(t))
  const paths = files.map(({ path }) => path)
  const documents = paths.filter((path) => !/^(bin|dist)\//.test(path))
  t.same(documents.toSorted(), ['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json'])
  const programs = paths.filter((path) => /^(bin|dist)\//.test(path))
  t.same(
    programs.filter((path) => !/^dist\/[\w/-]+\.js$/.test(path)),
    ['bin/kss.cjs'],
    'no maps, types, tests or sources',
  )
  const sources = await readdir(join(project, 'src'), { recursive: true })
  const built = sources.filter((path) => path.endsWith('.ts')).map((path) => `dist/${path.replace(/ts$/, 'js')}`)
  t.same(programs.filter((path) => path.startsWith('dist/')).toSorted(), built.toSorted(), 'every module is built')
  const bin = files.find(({ path }) => path === 'bin/kss.cjs')
  t.equal((bin?.mode ?? 0) & 0o111, 0o111, 'bin/kss.cjs is executable')
})

t.test('the installed package', async (t) => {
  const folder = await tempFolder(t)
  const { filename } = await pack(folder)
  const trouble = await install(join(folder, filename), folder)
  const online = trouble ? { skip: `the package registry cannot be reached: ${trouble}` } : {}
  const kss = join(folder, 'bin', 'kss')

  await t.test('prints its version', online, async (t) => {
    t.equal((await run(kss, ['--version'])).stdout, `${readVersion()}\n`)
    t.equal((await run(`${kss}-server`, ['--version'])).stdout, `${readVersion()}\n`)
  })

  await t.test('serves a reader, and stops on SIGTERM with exit code 0', online, async (t) => {
    const server = await startServer(t, [kss], join(folder, 'state'))
    t.match(await syncOnce(server.url), { document: 'dune', percentage: 0.25, progress: '56', device: 'kobo' })
    t.equal((await run(kss, ['healthcheck', server.url])).stdout, 'OK\n')
    t.equal(await server.stop(), 0)
  })
})

/** Installs as a person would; resolves to npm's error code when there is no way to the registry. */
async function install(tarball: string, prefix: string): Promise<string | undefined> {
  const quick = ['--prefer-offline', '--no-audit', '--no-fund', '--fetch-retries=1', '--fetch-retry-mintimeout=1000']
  try {
    await run('npm', ['install', '--global', '--prefix', prefix, ...quick, tarball])
    return undefined
  } catch (error) {
    const offline = /^npm error code (E(?:NOTFOUND|AI_AGAIN|CONN\w+|NETUNREACH|HOSTUNREACH|TIMEDOUT|IDLETIMEOUT))$/m
    const [, code] = offline.exec((error as Failure).stderr) ?? []
    if (!code) throw error
    return code
  }
}

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
