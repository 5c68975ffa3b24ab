// npm run test:crash: kill -9 for as long as you like. `-- --cycles 1000 --seed 1`; exit code 1 on a violation.
// With `--disk ext4`, or xfs, or btrfs, the power of a disk is cut instead. Needs root and python3-fusepy.
import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runCampaign, variedLoads } from './campaign.ts'
import { builtLauncher } from './server.ts'
import { isFileSystem, openVolatileDisk } from './volatile-disk.ts'

const { values } = parseArgs({
  options: {
    cycles: { type: 'string', default: '1000' },
    seed: { type: 'string', default: `${randomInt(2 ** 32)}` },
    disk: { type: 'string', default: '' },
  },
})
const [cycles, seed] = [Number(values.cycles), Number(values.seed)]
if (values.disk !== '' && !isFileSystem(values.disk)) throw new Error(`--disk is "${values.disk}": ext4, xfs or btrfs`)
const folder = await mkdtemp(join(tmpdir(), 'kss-crash-'))
console.log(`seed: ${seed}, Node ${process.version}, folder: ${folder}`)

// The server goes too.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

const disk = values.disk === '' ? undefined : await openVolatileDisk(values.disk, folder, seed)
let shown = performance.now()
const report = await runCampaign({
  launcher: builtLauncher,
  dir: join(disk?.folder ?? folder, 'state'),
  seed,
  cycles,
  stopEvery: 5,
  loads: variedLoads,
  // A cut may take one away.
  obstacles: disk ? 0 : 0.3,
  ...(disk && { disk }),
  onCycle: (soFar) => {
    if (performance.now() - shown < 10_000) return
    shown = performance.now()
    console.log(soFar.summary())
  },
})
console.log(`at the end: ${report.summary()}`)
if (disk) console.log(`the disk: ${await disk.tell()}`)
for (const violation of report.violations) console.log(`VIOLATION ${violation}`)
if (report.violations.length > 0) {
  console.log(`The folder is kept: ${folder}`)
  process.exitCode = 1
} else {
  await disk?.close()
  await rm(folder, { recursive: true })
}
