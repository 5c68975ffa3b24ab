import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { runCampaign, variedLoads } from './campaign.ts'
import { builtLauncher } from './server.ts'

t.test('what was acknowledged outlives kill -9, once, and nobody sees half of a file', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kss-crash-'))
  const seed = randomInt(2 ** 32)
  const report = await runCampaign({
    launcher: builtLauncher,
    dir: join(folder, 'state'),
    seed,
    cycles: 25,
    stopEvery: 5,
    loads: variedLoads,
    obstacles: 0.3,
  })
  t.comment(`seed: ${seed}, ${report.summary()}`)
  t.ok(report.acknowledged > 0)
  t.same(report.violations, [], `the folder is kept: ${folder}`)
  if (report.violations.length === 0) await rm(folder, { recursive: true })
})
