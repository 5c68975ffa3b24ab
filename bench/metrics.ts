// What KSS_METRICS_PORT costs readers who sync. In the project's root:
//   npm run bench:metrics [-- starts]
import { mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { comparePairs } from './pairs.ts'
import { freePort, killAll, startServer } from './processes.ts'

const folder = mkdtempSync(join(tmpdir(), 'kss-metrics-'))
process.once('SIGTERM', () => process.exit(1)).once('SIGINT', () => process.exit(1))
process.once('exit', () => {
  killAll()
  rmSync(folder, { recursive: true, force: true })
})
const load = loadavg()[0]!
await comparePairs(
  'metrics',
  async (name, isOn) => {
    const args = ['bin/kss.cjs', 'serve', '--dir', join(folder, name)]
    const settings = { KSS_METRICS_PORT: isOn ? `${await freePort()}` : '0' }
    return await startServer((port) => [...args, '--port', `${port}`], settings)
  },
  false,
  Number(process.argv[2] ?? 10),
)
console.log(`Load ${load.toFixed(1)} at the start, ${loadavg()[0]!.toFixed(1)} at the end`)
process.exit()
