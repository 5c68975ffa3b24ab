import t from 'tap'
import { checkCuts, expectFound, recordCuts, thorough, traced } from './cuts.ts'
import { testedBefore } from '../tested-before.ts'
import { killedMutants } from './mutants.ts'
import type { Session } from './record.ts'

t.jobs = 2

/** The first process is killed when it begins its nth flush: the next one sees what it did, but that is not durable. */
const killedAt = (flush: number, call = 'fsync'): Session[] => [
  { part: 'live', injected: `${call}:signal=KILL:when=${flush}` },
  { part: 'goOn' },
]

/** Of the first 26 flushes, in which users are made and pushes come, and are written to the files. */
const flushes = thorough ? Array.from({ length: 40 }, (_, number) => number + 1) : [2, 12, 13, 22, 26]

for (const flush of flushes) {
  const name = `a process killed at flush ${flush}, a start and then a power cut lose nothing`
  t.test(name, { ...traced, buffered: true }, async (t) => {
    const recording = await recordCuts(t, { sessions: killedAt(flush), samples: 2 })
    t.same(await checkCuts(t, recording, 100), [])
  })
}

for (const flush of thorough ? Array.from({ length: 20 }, (_, number) => number + 1) : [1, 6]) {
  const name = `a process killed at append ${flush} to a preallocated segment, a start and then a power cut lose nothing`
  t.test(name, { ...traced, buffered: true }, async (t) => {
    const recording = await recordCuts(t, { sessions: killedAt(flush, 'fdatasync'), samples: 2 })
    t.same(await checkCuts(t, recording, 100), [])
  })
}

for (const { flush, call, ...mutant } of killedMutants) {
  const name = `it would be found if the store ${mutant.name}`
  t.test(name, { skip: testedBefore, ...traced, buffered: true }, async (t) => {
    // Which flush is the one that matters depends on the order of the calls: its neighbours are tried after it.
    const nearby = (attempt: number): number => flush + Math.ceil(attempt / 2) * (attempt % 2 === 0 ? -1 : 1)
    await expectFound(t, { sessions: (attempt) => killedAt(nearby(attempt), call), samples: 4, mutant })
  })
}
