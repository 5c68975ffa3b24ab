// Run by `npm test`: compiles each module of src/ by itself into .covered/, which is laid out as the project is. The
// coverage of a bundle could not be put together with that of the tests that import the sources.
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { copyAssets } from './assets.js'
import { describeSources, isUpToDate, noteOf } from './sources.cjs'
import { compile } from './typescript-hooks.js'

const root = join(import.meta.dirname, '..')
const covered = join(root, '.covered')

if (!isUpToDate(root, covered)) {
  const sources = describeSources(root)
  const folder = `${covered}.${process.pid}`
  const paths = readdirSync(join(root, 'src'), { recursive: true })
  await Promise.all(paths.filter((each) => each.endsWith('.ts')).map((path) => write(path, join(folder, 'dist'))))
  copyAssets(join(root, 'src'), join(folder, 'dist', 'console'))
  for (const name of ['bin', 'package.json']) cpSync(join(root, name), join(folder, name), { recursive: true })
  writeFileSync(noteOf(folder), sources)
  rmSync(covered, { recursive: true, force: true })
  renameSync(folder, covered)
}

async function write(source, folder) {
  const fileName = join(root, 'src', source)
  // As long as before, so that the map is that of the source.
  const text = readFileSync(fileName, 'utf8').replaceAll(/(?<=['"]\.[^'"\n]*\.)ts(?=['"])/g, 'js')
  const path = join(folder, source.replace(/ts$/, 'js'))
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, await compile(text, fileName))
}
