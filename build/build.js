// npm run build: compiles src/ to dist/, unless dist/ is what these sources give.
import { spawnSync } from 'node:child_process'
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { hashSources, isUpToDate, noteOf } from './sources.cjs'

const root = join(import.meta.dirname, '..')

// npm runs this again at npx, npm pack and npm test, perhaps while a server or a test uses dist/.
if (!isUpToDate(root)) {
  // Before the compiler reads them: what changes meanwhile is then newer than the build.
  const hash = hashSources(root)
  // In a folder of its own, so that a build that fails leaves the last one alone, and no module of a removed source stays.
  const folder = join(root, `dist.${process.pid}`)
  const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc')
  const project = ['-p', join(root, 'tsconfig.build.json'), '--outDir', folder]
  const { status } = spawnSync(process.execPath, [compiler, ...project], { stdio: 'inherit' })
  if (status === 0) {
    writeFileSync(noteOf(folder), hash)
    rmSync(join(root, 'dist'), { recursive: true, force: true })
    renameSync(folder, join(root, 'dist'))
  } else {
    rmSync(folder, { recursive: true, force: true })
    process.exitCode = 1
  }
}
