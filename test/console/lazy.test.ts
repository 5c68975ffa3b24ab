import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { bundle } from '../../build/bundle.js'

t.test('a start loads nothing of the console but what passes its requests on', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kss-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const entryPoints = { serve: join(import.meta.dirname, '..', '..', 'src', 'commands', 'serve.ts') }
  const { metafile } = await bundle({ entryPoints, folder, packages: 'external' })
  const { outputs } = metafile
  const entry = Object.keys(outputs).find((path) => path.endsWith('/serve.js'))!
  const loaded = new Set([entry])
  for (const path of loaded) {
    for (const { kind, path: next } of outputs[path]?.imports ?? []) {
      if (kind === 'import-statement' && next in outputs) loaded.add(next)
    }
  }
  const modulesOf = (paths: Iterable<string>): string[] =>
    [...paths].flatMap((path) => Object.keys(outputs[path]?.inputs ?? {})).filter((path) => /\/console\//.test(path))
  t.same(
    modulesOf(loaded).map((path) => path.replace(/^.*\/console\//, '')),
    ['paths.ts', 'plugin.ts'],
  )
  t.ok(modulesOf(Object.keys(outputs)).some((path) => path.endsWith('/console/page.ts')))
})
