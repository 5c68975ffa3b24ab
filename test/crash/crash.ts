// npm run test:crash: kill -9 for as long as you like. `-- --cycles 1000 --seed 1`; exit code 1 on a violation.
import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runCampaign, variedLoads } from './campaign.ts'
import { builtLauncher } from './server.ts'

const { values } = parseArgs({
  options: { cycles: { type: 'string', default: '1000' }, seed: { type: 'string', default: `${randomInt(2 ** 32)}` } },
})
const [cycles, seed] = [Number(values.cycles), Number(values.seed)]
const folder = await mkdtemp(join(tmpdir(), 'kss-crash-'))
console.log(`seed: ${seed}, Node ${process.version}, folder: ${folder}`)

// The server goes too.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

let shown = performance.now()
const report = await runCampaign({
  launcher: builtLauncher,
  dir: join(folder, 'state'),
  seed,
  cycles,
  stopEvery: 5,
  loads: variedLoads,
  obstacles: 0.3,
  onCycle: (soFar) => {
    if (performance.now() - shown < 10_000) return
    shown = performance.now()
    console.log(soFar.summary())
  },
})
console.log(`at the end: ${report.summary()}`)
for (const violation of report.violations) console.log(`VIOLATION ${violation}`)
if (report.violations.length > 0) {
  console.log(`The folder is kept: ${folder}`)
  process.exitCode = 1
} else await rm(folder, { recursive: true })
