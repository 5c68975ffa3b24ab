// Run by `npm test`: compiles each module of src/ by itself into .covered/, which is laid out as the project is. The
// coverage of a bundle could not be put together with that of the tests that import the sources.
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ts from 'typescript'
import { hashSources, isUpToDate, noteOf } from './sources.cjs'

const root = join(import.meta.dirname, '..')
const covered = join(root, '.covered')
const { options } = ts.getParsedCommandLineOfConfigFile(join(root, 'tsconfig.json'), {}, ts.sys)

if (!isUpToDate(root, covered)) {
  const hash = hashSources(root)
  const folder = `${covered}.${process.pid}`
  const paths = readdirSync(join(root, 'src'), { recursive: true })
  for (const path of paths.filter((each) => each.endsWith('.ts'))) compile(path, join(folder, 'dist'))
  for (const name of ['bin', 'package.json']) cpSync(join(root, name), join(folder, name), { recursive: true })
  writeFileSync(noteOf(folder), hash)
  rmSync(covered, { recursive: true, force: true })
  renameSync(folder, covered)
}

function compile(source, folder) {
  const fileName = join(root, 'src', source)
  // Compiled by itself, a module is not known to be one of a package of ES modules.
  const [module, moduleResolution] = [ts.ModuleKind.ESNext, ts.ModuleResolutionKind.Bundler]
  const compilerOptions = { ...options, module, moduleResolution, noEmit: false, sourceMap: true }
  const { outputText, sourceMapText } = ts.transpileModule(readFileSync(fileName, 'utf8'), {
    compilerOptions,
    fileName,
  })
  const path = join(folder, source.replace(/ts$/, 'js'))
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, outputText)
  writeFileSync(`${path}.map`, JSON.stringify({ ...JSON.parse(sourceMapText), sources: [fileName] }))
}
