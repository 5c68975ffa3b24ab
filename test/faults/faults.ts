// npm run test:faults: the store on a disk that fails, hangs and loses its power, for as long as you like.
// `-- --runs 400 --steps 200 --seed 1`; exit code 1 on a violation. A run mostly waits, so start some at once.
import { randomInt } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runFaults } from './campaign.ts'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '100' },
    steps: { type: 'string', default: '200' },
    seed: { type: 'string', default: `${randomInt(2 ** 32)}` },
  },
})
const first = Number(values.seed)
const memory = '/dev/shm'
for (let seed = first; seed < first + Number(values.runs); seed += 1) {
  const folder = await mkdtemp(join(existsSync(memory) ? memory : tmpdir(), 'kss-faults-'))
  const ends: (() => unknown)[] = []
  const t = { teardown: (end: () => unknown) => void ends.unshift(end) }
  const { violation, trail, ...figures } = await runFaults(t, { folder, seed, steps: Number(values.steps) })
  for (const end of ends) await end()
  console.log(`seed ${seed}: ${JSON.stringify(figures)}`)
  if (violation === undefined) {
    await rm(folder, { recursive: true })
  } else {
    console.log(`${trail.join('\n')}\nVIOLATION ${violation}\nThe folder is kept: ${folder}`)
    process.exitCode = 1
  }
}
