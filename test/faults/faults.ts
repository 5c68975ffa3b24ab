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
const [runs, steps, first] = [Number(values.runs), Number(values.steps), Number(values.seed)]
if (!(runs > 0 && steps > 0 && first >= 0)) throw new Error('--runs, --steps and --seed are numbers')
const memory = '/dev/shm'
for (let seed = first; seed < first + runs; seed += 1) {
  const folder = await mkdtemp(join(existsSync(memory) ? memory : tmpdir(), 'kss-faults-'))
  console.log(`seed: ${seed}, Node ${process.version}, folder: ${folder}`)
  const ends: (() => unknown)[] = []
  const t = { teardown: (end: () => unknown) => void ends.unshift(end) }
  const { violation, trail, ...figures } = await runFaults(t, { folder, seed, steps })
  for (const end of ends) await end()
  console.log(JSON.stringify(figures))
  if (violation === undefined) {
    await rm(folder, { recursive: true })
  } else {
    console.log(`${trail.join('\n')}\nVIOLATION ${violation}\nThe folder is kept: ${folder}`)
    process.exitCode = 1
  }
}
