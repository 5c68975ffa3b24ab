import { setTimeout as sleep } from 'node:timers/promises'
import { Account } from './account.ts'
import { Client } from './client.ts'
import { checkFiles, checkStopped } from './disk.ts'
import { Obstacle } from './obstacle.ts'
import { Random } from './random.ts'
import { Report } from './report.ts'
import { startServer, type Server } from './server.ts'
import type { VolatileDisk } from './volatile-disk.ts'
import { startLoad, type Accounts } from './workers.ts'

export interface CampaignOptions {
  /** Starts the server: bin/kss.cjs, or a mutant's. */
  launcher: string
  /** The state directory; it need not be there. */
  dir: string
  seed: number
  cycles: number
  /** Every which cycle ends with a stop instead of a kill, and shows whether the history is complete. */
  stopEvery: number
  /** Milliseconds from, to: how long there is load before a kill. Each cycle takes one of them. */
  loads: readonly (readonly [number, number])[]
  /** How likely a cycle that ends with a kill has a history that cannot be written. */
  obstacles: number
  /** Holds the state directory: its power is cut instead of each kill. */
  disk?: VolatileDisk
  onCycle?: (report: Report) => void
}

/** Half a second after its first push the server begins to write the files: the last range is about that moment. */
export const variedLoads = [
  [20, 400],
  [20, 400],
  [480, 750],
] as const

/** The last one is on both devices. */
const readDocuments = ['dune', 'emma', 'it', 'kim', 'she', 'Ulysses 2', 'shared']

/** Where a campaign stands. */
interface Campaign {
  options: CampaignOptions
  accounts: Accounts
  random: Random
  report: Report
  obstacle: Obstacle
  /** Milliseconds that the last start took. */
  startTime: number
}

/**
 * Start, load, kill -9, look at the files, and again; it ends after the cycles or at the first violation. What is sent
 * and when the server dies follow from the seed; what it is doing then does not.
 */
export async function runCampaign(options: CampaignOptions): Promise<Report> {
  const accounts = {
    readers: ['ann', 'bob'].map((name) => new Account(name, readDocuments)),
    guests: ['guest-1', 'guest-2'].map((name) => new Account(name, ['diary', 'notes'])),
  }
  const report = new Report()
  const obstacle = new Obstacle(options.dir, 'ann')
  const campaign = { options, accounts, random: new Random(options.seed), report, obstacle, startTime: 200 }
  while (report.cycles < options.cycles && report.violations.length === 0) {
    if (campaign.random.chance(0.2)) await killDuringStart(campaign)
    await runCycle(campaign)
    report.cycles += 1
    options.onCycle?.(report)
  }
  if (report.violations.length === 0) await runLast(campaign)
  return report
}

/** The recovery of the log is at the end of a start. */
async function killDuringStart(campaign: Campaign): Promise<void> {
  const { random, startTime } = campaign
  const server = start(campaign)
  await sleep(random.between(0.3, 1.05) * startTime)
  await crash(server, campaign)
  await checkCrashed(campaign)
}

async function crash(server: Server, { options, report }: Campaign): Promise<void> {
  await (options.disk ? options.disk.cut(() => server.kill()) : server.kill())
  report.kills += 1
}

/** A power cut leaves files that only the next start makes whole. */
async function checkCrashed({ options: { dir, disk }, report }: Campaign): Promise<void> {
  if (!disk) await checkFiles(dir, report)
}

async function runCycle(campaign: Campaign): Promise<void> {
  const { options, accounts, random, report, obstacle } = campaign
  const stops = (report.cycles + 1) % options.stopEvery === 0
  await (!stops && random.chance(options.obstacles) ? obstacle.put() : obstacle.remove())
  const { url, server } = await startAndVerify(campaign)
  if (!url || report.violations.length > 0) return await server.kill()
  const load = startLoad(url, accounts, random, report, obstacle.isThere)
  await sleep(random.between(...random.pick(options.loads)))
  if (stops) {
    if (random.chance(0.5)) await load.end()
    load.expectStop()
    await server.stop()
  } else {
    if (options.disk) load.expectStop()
    await crash(server, campaign)
  }
  await load.end()
  for (const account of allOf(accounts)) account.ended()
  await (stops ? checkStopped(options.dir, allOf(accounts), report) : checkCrashed(campaign))
}

/** Nothing in hand is left uncertain. */
async function runLast(campaign: Campaign): Promise<void> {
  const { options, accounts, report, obstacle } = campaign
  await obstacle.remove()
  const { server } = await startAndVerify(campaign)
  await server.stop()
  await checkStopped(options.dir, allOf(accounts), report)
}

async function startAndVerify(campaign: Campaign): Promise<{ url: string | undefined; server: Server }> {
  const { accounts, report } = campaign
  const before = performance.now()
  const server = start(campaign)
  const url = await server.url
  if (!url) return { url, server }
  campaign.startTime = performance.now() - before
  const client = new Client(url)
  await Promise.all(allOf(accounts).map((account) => account.verify(client, report)))
  const unborn = accounts.readers.filter(({ login }) => !login)
  await Promise.all(unborn.map((reader) => reader.create(client, report)))
  client.close()
  return { url, server }
}

/** Mostly with plain keys: hashing takes the time that the disk should have. With hashes it replaces the plain ones. */
function start({ options, random, report, obstacle }: Campaign): Server {
  const hashKeys = random.chance(0.3)
  const mayComplain = obstacle.isThere || options.disk !== undefined
  return startServer(options.launcher, options.dir, { hashKeys, mayComplain }, report)
}

function allOf({ readers, guests }: Accounts): Account[] {
  return [...readers, ...guests]
}
