import t from 'tap'
import { checkCuts, recordCuts, thorough, traced } from './cuts.ts'
import { check, collectStates, pick } from './explore.ts'
import { recordRecoveries } from './record.ts'

t.test('the journal of an older kss outlives a power cut during the start that takes it over', traced, async (t) => {
  const sessions = [{ part: 'old' }, { part: 'goOn' }] as const
  t.same(await checkCuts(t, await recordCuts(t, { sessions: [...sessions], samples: 4 }), 300), [])
})

t.test('whatever a power cut leaves, a start finds all that was acknowledged', traced, async (t) => {
  const recording = await recordCuts(t, { sessions: [{ part: 'live' }], samples: 6 })
  t.same(await checkCuts(t, recording, 500), [])

  t.test('also when the power is cut again during that start', async (t) => {
    const { folder, program, oracle, random, states } = recording
    const first = pick(states, thorough ? 100 : 12, random)
    const trees = first.map(({ tree }) => tree)
    const disks = await recordRecoveries(folder, program, trees)
    let checked = 0
    for (const [number, disk] of disks.entries()) {
      const second = pick(collectStates(disk, 1, random), thorough ? Infinity : 15, random)
      checked += second.length
      const at = Math.max(...first[number]!.cuts.keys())
      t.same(await check(folder, second, oracle, { at }), [])
    }
    t.comment(`${checked} states after ${first.length} starts`)
  })
})
