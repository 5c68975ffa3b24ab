import type { Command } from 'commander'
import { exitCodes } from '../command-error.ts'
import type { Finding } from '../store/finding.ts'
import { FolderInUse } from '../store/file-store/folder-in-use.ts'
import { repairLog } from '../check/repair.ts'
import { scanSettled } from '../check/scan-settled.ts'
import { examples, jsonCommand } from './define.ts'
import type { OpenedEngine } from '../control/open-store.ts'
import {
  asCommandError,
  changeState,
  checkFolder,
  loadSettings,
  lock,
  openEngineOf,
  type StateFlags,
} from '../control/state.ts'
import { plain } from '../plain.ts'
import { count, printPages, progressBar } from './terminal.ts'

/** `kss check`. */
export function defineCheck(program: Command): void {
  jsonCommand(
    program,
    'check',
    'read every file, or key of KSS_STORE, and tell what is wrong: exit code 4 when something is damaged',
  )
    .option('--repair', 'mend it; what cannot be read is kept under another name')
    .addHelpText('after', examples('kss check', 'kss check --repair', 'kss check --json'))
    .action(check)
}

async function check({ repair, ...flags }: StateFlags & { repair?: boolean }): Promise<void> {
  const total = { findings: 0, damaged: 0, left: 0 }
  const counted = async function* (findings: AsyncIterable<Finding> | Finding[]): AsyncGenerator<Finding> {
    for await (const finding of findings) {
      total.findings += 1
      total.damaged += Number(finding.damage)
      total.left += Number(finding.damage && !(repair && isMended(finding)))
      yield finding
    }
  }
  await printPages(flags.json, counted(await open(flags, repair ?? false)), (findings) =>
    findings.map((finding) => describe(finding, repair ?? false)).join(''),
  )
  if (!flags.json) process.stdout.write(summaryOf(total))
  if (total.left > 0) process.exitCode = exitCodes.damaged
}

/** What is wrong, and with `repair` what was done. */
async function open(flags: StateFlags, repair: boolean): Promise<AsyncIterable<Finding> | Finding[]> {
  const engine = await openEngineOf(flags)
  if (engine) return findOnEngine(engine, repair)
  return repair ? await repairAll(flags) : findAll(flags)
}

async function* findOnEngine({ survey, close }: OpenedEngine, mends: boolean): AsyncGenerator<Finding> {
  try {
    yield* survey.check({ mends, show: progressBar('key') })
  } catch (error) {
    throw asCommandError(error)
  } finally {
    await close()
  }
}

/** Whether the finding was repaired completely. */
function isMended({ repair, advice }: Finding): boolean {
  return repair !== undefined && advice === undefined
}

/** Checks the folder without opening the store, which would replay the log into the files. */
async function* findAll(flags: StateFlags): AsyncGenerator<Finding> {
  const { KSS_DIR: dir } = loadSettings(flags)
  await checkFolder(dir)
  const held = await lock(dir, flags.command).catch((error: unknown) => {
    if (error instanceof FolderInUse) return undefined
    throw error
  })
  try {
    for await (const { findings } of scanSettled(dir, { running: held === undefined, show: progressBar('folder') }))
      yield* findings
  } finally {
    await held?.release()
  }
}

async function repairAll(flags: StateFlags): Promise<Finding[]> {
  const done: Finding[] = []
  // A start drops what it cannot read of the log.
  const beforeOpen = async (dir: string): Promise<void> => void done.push(...(await repairLog(dir)))
  await changeState(
    flags,
    ['check', '--repair'],
    async ({ dir, store, server }) => {
      const running = server !== undefined
      for await (const { folder, findings } of scanSettled(dir, { running, show: progressBar('folder') })) {
        if (findings.length > 0) done.push(...(await store.repair(folder, { running })))
      }
    },
    { beforeOpen },
  )
  return done
}

function describe({ path, problem, repair, advice, damage }: Finding, repaired: boolean): string {
  const what = `${damage ? 'damaged' : 'note'}: ${plain(path)} ${plain(problem)}\n`
  const mend = repair === undefined ? '' : `  ${repaired ? 'done' : '--repair'}: it ${plain(repair)}\n`
  return what + mend + (advice === undefined ? '' : `  to do: ${plain(advice)}\n`)
}

function summaryOf({ findings, damaged }: { findings: number; damaged: number }): string {
  return findings === 0 ? 'All is well.\n' : `${count(findings, 'finding')}, ${damaged} of them damage.\n`
}
