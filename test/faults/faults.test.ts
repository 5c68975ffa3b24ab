import { randomInt } from 'node:crypto'
import t from 'tap'
import { removeFoldersLast } from '../folders-last.ts'
import { runFaults } from './campaign.ts'

removeFoldersLast(t)

t.test('what was acknowledged outlives a disk that fails, hangs and loses its power', async (t) => {
  const seed = randomInt(2 ** 32)
  const { violation, trail, ...figures } = await runFaults(t, { folder: t.testdir({}), seed, steps: 200 })
  t.comment(`seed: ${seed}, ${JSON.stringify(figures)}`)
  t.ok(figures.pushes > 0)
  if (violation !== undefined) t.comment(trail.join('\n'))
  t.equal(violation, undefined)
})

t.test('a disk is noticed whose cuts take what it has flushed', async (t) => {
  let violation: string | undefined
  for (let seed = 1; violation === undefined; seed += 1) {
    const forget = /\.wal\//
    const folder = t.testdir({ [`run-${seed}`]: {} })
    violation = (await runFaults(t, { folder: `${folder}/run-${seed}`, seed, steps: 200, forget })).violation
  }
  t.match(violation, /^(ann|eve)\/d\d after a crash: (it is at|its history lacks) /)
})
