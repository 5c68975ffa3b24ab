import t from 'tap'
import { testedBefore } from '../tested-before.ts'
import { expectFound, traced } from './cuts.ts'
import { mutants } from './mutants.ts'
import type { Session } from './record.ts'

t.jobs = 2

const live: Session[] = [{ part: 'live' }]

for (const { samples = 1, sessions = live, ...mutant } of mutants) {
  t.test(
    `it would be found if the store ${mutant.name}`,
    { skip: testedBefore, ...traced, buffered: true },
    async (t) => {
      await expectFound(t, { sessions: () => sessions, samples, mutant })
    },
  )
}
