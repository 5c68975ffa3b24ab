// npm run build: bundles src/ into dist/, unless dist/ is what these sources give.
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { copyAssets } from './assets.js'
import { describeSources, isUpToDate, noteOf } from './sources.cjs'

const root = join(import.meta.dirname, '..')

// npm runs this again at npx, npm pack and npm test, perhaps while a server or a test uses dist/.
if (!isUpToDate(root)) {
  const sources = describeSources(root)
  // In a folder of its own, so that a build that fails leaves the last one alone, and no module of a removed source stays.
  const folder = join(root, `dist.${process.pid}`)
  try {
    await buildInto(folder)
    writeFileSync(noteOf(folder), sources)
    rmSync(join(root, 'dist'), { recursive: true, force: true })
    renameSync(folder, join(root, 'dist'))
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    console.error(error.message)
    process.exitCode = 1
  }
}

async function buildInto(folder) {
  // Only here: most calls find nothing to do.
  const [{ bundle }, { licencesOf }, { compileValidators }] = await Promise.all([
    import('./bundle.js'),
    import('./licences.js'),
    import('./validators.js'),
  ])
  const plugins = [await compileValidators(join(folder, 'schemas'))]
  const { metafile } = await bundle({ entryPoints: { bin: join(root, 'src', 'bin.ts') }, folder, plugins })
  writeFileSync(join(folder, 'LICENCES.txt'), licencesOf(root, metafile))
  copyAssets(join(root, 'src'), folder)
}
