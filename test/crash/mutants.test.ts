import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runCampaign } from './campaign.ts'
import { buildOwn } from '../own-build.ts'
import { testedBefore } from '../tested-before.ts'
import { mutants } from './mutants.ts'

async function tempFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kss-crash-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

for (const [name, mutant] of Object.entries(mutants)) {
  t.test(`a server is caught that ${name}`, { skip: testedBefore }, async (t) => {
    const folder = await tempFolder(t)
    const { launcher } = await buildOwn(join(folder, 'mutant'), ['src/bin.ts'], mutant)
    const seed = randomInt(2 ** 32)
    const { loads, stopEvery, obstacles = 0 } = mutant
    const dir = join(folder, 'state')
    const report = await runCampaign({ launcher, dir, seed, cycles: 20, stopEvery, loads, obstacles })
    t.comment(`seed: ${seed}, ${report.summary()}`)
    t.match(report.violations[0], mutant.symptom)
  })
}
