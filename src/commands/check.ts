import { readdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { exitCodes } from '../command-error.ts'
import { foundAgain, type Finding } from '../store/finding.ts'
import { mayBeUsers } from '../store/file-store/files/folder-names.ts'
import { FolderInUse } from '../store/file-store/folder-in-use.ts'
import { repairJournal } from '../check/repair.ts'
import { scanFolder, scanState, scanTop, type FolderFindings } from '../check/scan.ts'
import { examples, jsonCommand } from './define.ts'
import { changeState, checkFolder, loadSettings, lock, type StateFlags } from '../control/state.ts'
import { plain } from '../plain.ts'
import { count, print, progressBar } from './terminal.ts'

/** Milliseconds after which what a running server was just writing is written. */
const settleMs = 1500

/** `kss check`. */
export function defineCheck(program: Command): void {
  jsonCommand(program, 'check', 'read every file, and tell what is wrong: exit code 4 when something is damaged')
    .option('--repair', 'mend it; what cannot be read is kept under another name')
    .addHelpText('after', examples('kss check', 'kss check --repair', 'kss check --json'))
    .action(check)
}

async function check({ repair, ...flags }: StateFlags & { repair?: boolean }): Promise<void> {
  const findings = repair ? await repairAll(flags) : await findAll(flags)
  print(flags.json, findings, () => describe(findings, repair ?? false))
  if (findings.some((finding) => finding.damage && !(repair && isMended(finding)))) process.exitCode = exitCodes.damaged
}

/** Done, and nothing is left to do. */
function isMended({ repair, advice }: Finding): boolean {
  return repair !== undefined && advice === undefined
}

/** Opens nothing: a start would bring the journal into the files. */
async function findAll(flags: StateFlags): Promise<Finding[]> {
  const { KSS_DIR: dir } = loadSettings(flags)
  await checkFolder(dir)
  const held = await lock(dir, flags.command).catch((error: unknown) => {
    if (error instanceof FolderInUse) return undefined
    throw error
  })
  try {
    const running = held === undefined
    const found: Finding[] = []
    for await (const { findings } of scanSettled(dir, running)) found.push(...findings)
    return found
  } finally {
    await held?.release()
  }
}

async function repairAll(flags: StateFlags): Promise<Finding[]> {
  const done: Finding[] = []
  // A start drops what it cannot read of the journal.
  const beforeOpen = async (dir: string): Promise<void> => void done.push(...(await repairJournal(dir)))
  await changeState(
    flags,
    ['check', '--repair'],
    async ({ dir, store, server }) => {
      const running = server !== undefined
      for await (const { folder, findings } of scanSettled(dir, running)) {
        if (findings.length > 0) done.push(...(await store.repair(folder, { running })))
      }
    },
    { beforeOpen },
  )
  return done
}

/** What is wrong; beside a running server what is so still when all that it was writing is written. */
async function* scanSettled(dir: string, running: boolean): AsyncGenerator<FolderFindings> {
  const show = progressBar('folder')
  const total = (await readdir(dir)).filter(mayBeUsers).length + 1
  const found: FolderFindings[] = []
  let done = 0
  for await (const each of scanState(dir, { running })) {
    done = Math.min(done + 1, total)
    show(done, total)
    if (each.findings.length > 0) found.push(each)
  }
  if (running && found.length > 0) await sleep(settleMs)
  for (const { folder, findings } of found) {
    if (!running) yield { folder, findings }
    else {
      const again = folder === '' ? await scanTop(dir, { running }) : await scanFolder(dir, folder, { running })
      yield { folder, findings: foundAgain(findings, again) }
    }
  }
}

function describe(findings: Finding[], repaired: boolean): string {
  if (findings.length === 0) return 'All is well.\n'
  const lines = findings.map(({ path, problem, repair, advice, damage }) => {
    const what = `${damage ? 'damaged' : 'note'}: ${plain(path)} ${plain(problem)}\n`
    const mend = repair === undefined ? '' : `  ${repaired ? 'done' : '--repair'}: it ${plain(repair)}\n`
    return what + mend + (advice === undefined ? '' : `  to do: ${plain(advice)}\n`)
  })
  const damaged = findings.filter(({ damage }) => damage).length
  return `${lines.join('')}${count(findings.length, 'finding')}, ${damaged} of them damage.\n`
}
