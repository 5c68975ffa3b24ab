import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Test } from 'tap'
import { buildOwn } from './own-build.ts'

const project = join(import.meta.dirname, '..')
const covered = join(project, '.covered')

// Set by tap. The coverage of a bundle could not be put together with the rest: see build/modules.js.
const isMeasured = process.env['_TAPJS_PROCESSINFO_COVERAGE_'] === '1'

/** What `node` runs to start kss: the build that npm carries, or, where coverage is measured, one of single modules. */
export const launcher = join(isMeasured ? covered : project, 'bin', 'kss.cjs')

/**
 * The words that start the build that npm carries. tap lets `NODE_OPTIONS` load what measures coverage; a short command
 * takes three times as long with it.
 */
export const bundled = ['env', '-u', 'NODE_OPTIONS', process.execPath, join(project, 'bin', 'kss.cjs')]

/** Tests whose commands reach what no test reaches in its own process. */
const covering = [
  'audiobookshelf/serve',
  'bin',
  'commands/audiobookshelf',
  'commands/disk-faults',
  'commands/drain',
  'commands/export',
  'commands/hash',
  'commands/healthcheck',
  'commands/import',
  'commands/metrics',
  'commands/redis-backend',
  'commands/serve',
  'commands/setup',
  'commands/tls',
  'commands/upstream',
  'log',
].map((name) => join(import.meta.dirname, `${name}.test.ts`))

const measured = [
  'env',
  '-u',
  'NODE_OPTIONS',
  process.execPath,
  '--require',
  join(project, 'build', 'measure.cjs'),
  launcher,
]

/** The words that start kss, so that its coverage is measured where that matters. */
export const command = isMeasured && covering.includes(process.argv[1]!) ? measured : bundled

/** The URL of a built module, for a process of its own: of `control/state.ts`, say. */
export async function builtModule(t: Test, path: string): Promise<string> {
  if (isMeasured) return pathToFileURL(join(covered, 'dist', path.replace(/ts$/, 'js'))).href
  const folder = await mkdtemp(join(tmpdir(), 'kss-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const source = `src/${path}`
  return pathToFileURL((await buildOwn(folder, [source])).modules[source]!).href
}
