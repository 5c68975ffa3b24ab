import t from 'tap'
import { checkCuts, recordCuts, traced } from './cuts.ts'
import { mutants } from './mutants.ts'

t.jobs = 2

for (const { samples = 1, ...mutant } of mutants) {
  t.test(`it would be found if the store ${mutant.name}`, { ...traced, buffered: true }, async (t) => {
    const recording = await recordCuts(t, { sessions: [{ part: 'live' }], samples, mutant })
    const [found] = await checkCuts(t, recording, 400, 1)
    t.not(found, undefined)
    t.comment(found?.slice(0, 300))
  })
}
