import t from 'tap'
import { checkCuts, recordCuts, traced } from './cuts.ts'
import { mutants } from './mutants.ts'
import type { Session } from './record.ts'

t.jobs = 2

const live: Session[] = [{ part: 'live' }]

for (const { samples = 1, sessions = live, ...mutant } of mutants) {
  t.test(`it would be found if the store ${mutant.name}`, { ...traced, buffered: true }, async (t) => {
    const recording = await recordCuts(t, { sessions, samples, mutant })
    const [found] = await checkCuts(t, recording, 400, 1)
    t.not(found, undefined)
    t.comment(found?.slice(0, 300))
  })
}
