// npm run bundle: kss as one file without node_modules, bundle/kss.cjs, and as an executable with Node in it, bundle/kss.
import { execFile } from 'node:child_process'
import { chmod, copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import * as esbuild from 'esbuild'
import { inject } from 'postject'
import { neverLoaded } from './bundle.js'
import { licencesOf } from './licences.js'
import { compileValidators } from './validators.js'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..')

/** Packages that importers load by name. */
const drivers = ['@msgpack/msgpack', '@redis/client']

/** What bin/kss.cjs does before it loads the build. Old versions of Node parse it, and newer syntax than theirs is not reached. */
const banner = `#!/usr/bin/env node
var node = process.versions.node.split('.')
if (node[0] < 20 || (node[0] === '20' && node[1] < 19)) {
  console.error('kss needs Node.js 20.19 or newer; this is ' + process.versions.node + '. See https://nodejs.org')
  process.exit(1)
}
process.env.UV_THREADPOOL_SIZE = process.env.UV_THREADPOOL_SIZE || '8'`

/** Makes both in the folder. CommonJS, as the executables of Node 24 take nothing else. */
export async function bundleOneFile(folder) {
  await mkdir(folder, { recursive: true })
  const file = join(folder, 'kss.cjs')
  const { metafile } = await esbuild.build({
    entryPoints: [join(root, 'src', 'bin.ts')],
    outfile: file,
    plugins: [await compileValidators(join(folder, 'schemas')), await embedFiles()],
    external: neverLoaded,
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: 'node20.19',
    // An executable cannot import, but it can require what Node has in it.
    supported: { 'dynamic-import': false },
    banner: { js: banner },
    metafile: true,
    logLevel: 'silent',
  })
  await chmod(file, 0o755)
  await writeFile(join(folder, 'LICENCES.txt'), licencesOf(root, metafile))
  return file
}

/** Puts the file into a copy of this Node. @see https://nodejs.org/api/single-executable-applications.html */
export async function makeExecutable(file, folder) {
  const config = join(folder, 'sea.json')
  const blob = join(folder, 'sea.blob')
  const executable = join(folder, 'kss')
  await writeFile(config, JSON.stringify({ main: file, output: blob, disableExperimentalSEAWarning: true }))
  await run(process.execPath, ['--experimental-sea-config', config])
  await copyFile(process.execPath, executable)
  await chmod(executable, 0o755)
  const sentinelFuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'
  await inject(executable, 'NODE_SEA_BLOB', await readFile(blob), { sentinelFuse })
  await Promise.all([config, blob].map((each) => rm(each)))
  return executable
}

/** In the place of the modules that read files of the package: what they read, as text. */
async function embedFiles() {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const assets = ['style.css', 'script.js'].map(async (name) => [
    name,
    await readFile(join(root, 'src', 'console', name), 'utf8'),
  ])
  const loaders = drivers.map((name) => `${JSON.stringify(name)}: () => import(${JSON.stringify(name)})`)
  const modules = {
    'version.ts': `export const readVersion = () => ${JSON.stringify(version)}`,
    'console/read-asset.ts': `
      const files = ${JSON.stringify(Object.fromEntries(await Promise.all(assets)))}
      export const readAsset = async (name) => Buffer.from(files[name])`,
    'optional-package.ts': `
      import { CommandError } from './command-error.ts'
      export class MissingPackage extends CommandError {}
      const loaders = { ${loaders.join(', ')} }
      export async function importOptional(name, version, part) {
        if (loaders[name]) return await loaders[name]()
        throw new MissingPackage(part + ' needs the package ' + name + ', which kss of one file cannot load. ' +
          'Use Node 22.13 or newer, which has SQLite in it.')
      }`,
  }
  return {
    name: 'embed-files',
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const contents = modules[relative(join(root, 'src'), path)]
        return contents === undefined ? undefined : { contents, loader: 'ts', resolveDir: dirname(path) }
      })
      build.onEnd(({ metafile }) => {
        const missing = Object.keys(modules).filter((path) => !(`src/${path}` in (metafile?.inputs ?? {})))
        return { errors: missing.map((path) => ({ text: `src/${path} is not in the bundle` })) }
      })
    },
  }
}

if (process.argv[1] === import.meta.filename) {
  const folder = join(root, 'bundle')
  await rm(folder, { recursive: true, force: true })
  const file = await bundleOneFile(folder)
  console.log(`${file}\n${await makeExecutable(file, folder)}`)
}
