import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runCampaign } from './campaign.ts'
import { makeMutant, mutants } from './mutants.ts'

async function tempFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kss-crash-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

for (const [name, mutant] of Object.entries(mutants)) {
  t.test(`a server is caught that ${name}`, async (t) => {
    const folder = await tempFolder(t)
    const launcher = await makeMutant(join(folder, 'mutant'), mutant)
    const seed = randomInt(2 ** 32)
    const { loads, stopEvery, obstacles = 0 } = mutant
    const dir = join(folder, 'state')
    const report = await runCampaign({ launcher, dir, seed, cycles: 20, stopEvery, loads, obstacles })
    t.comment(`seed: ${seed}, ${report.summary()}`)
    t.match(report.violations[0], mutant.symptom)
  })
}

t.test('a mutant is refused when the text that it replaces is not there, or more than once', async (t) => {
  const folder = await tempFolder(t)
  const [mutant] = Object.values(mutants)
  for (const [at, text] of ['not in there', 'await '].entries()) {
    await t.rejects(makeMutant(join(folder, `${at}`), { ...mutant!, text }), /times, not once/)
  }
})
