import { realpath, stat } from 'node:fs/promises'
import { join, relative, resolve, sep } from 'node:path'
import { stdout } from 'node:process'
import { CommandError, exitCodes } from '../command-error.ts'
import { plain } from '../plain.ts'
import { backupName, backupsName, removeOldBackups } from '../backup/backup-files.ts'
import {
  backupFiles,
  countFiles,
  lacksPositions,
  streamArchive,
  writeArchive,
  type ArchivedFile,
  type Contents,
} from '../backup/backup.ts'
import { unlessAbsent } from '../error-code.ts'
import { eachUserFolder } from '../store/file-store/files/folder-names.ts'
import { authFile } from '../store/file-store/files/auth-file.ts'
import { interruptible } from './interrupt.ts'
import { makeBackupFolder } from '../control/state-format.ts'
import { archiveOf } from '../export/archive.ts'
import { hasUsers, usersOf } from './accounts.ts'
import { documentsOfUser } from './export.ts'
import { checkFolder, isFolder, withState, type State, type StateFlags } from '../control/state.ts'
import { checkOutput } from './output-file.ts'
import { parseCount } from './time.ts'
import { count, formatBytes, print, progressBar } from './terminal.ts'

/** The destination of an archive. */
interface Target {
  path: string
  /** Whether the operator gave a folder, in which the archive is named after the time. */
  isDated: boolean
}

interface Written {
  /** The path of the archive; undefined when it went to standard output. */
  path: string | undefined
  /** Whether the archive has everything that was pushed before. */
  isComplete: boolean
}

/** `kss backup create`. */
export async function createBackup(said: string | undefined, flags: StateFlags & { keep?: string }): Promise<void> {
  const keep = flags.keep === undefined ? undefined : parseCount(flags.keep)
  if (said === '-') {
    if (stdout.isTTY) {
      throw new CommandError(
        'An archive cannot be written to a terminal. Try: kss backup create - > kss.tar.gz',
        exitCodes.usage,
      )
    }
    if (keep !== undefined) throw noFolder()
  }
  const contents: Contents = { users: 0, documents: 0, bytes: 0 }
  const work = (state: State): Promise<Written> => write(state, said, keep, contents)
  const { path, isComplete } = await withState(flags, work, { check: checkAccounts })
  const holds = `${count(contents.users, 'account')}, ${count(contents.documents, 'document')}, ${formatBytes(contents.bytes)}`
  if (path === undefined) {
    console.error(`The backup holds ${holds}.`)
  } else {
    // An older archive may have what an incomplete one lacks.
    const removed = keep === undefined || !isComplete ? [] : await removeOld(path, keep)
    await print(flags.json, { path, ...contents, complete: isComplete, removed }, () => {
      const gone = removed.map((old) => `Removed: ${plain(old)}\n`).join('')
      return `The backup is in ${plain(path)}: ${holds}.\n${gone}`
    })
  }
  if (isComplete) return
  console.error(`${lacksPositions}${keep === undefined ? '' : ' No older backup was removed.'}`)
  process.exitCode = exitCodes.damaged
}

/** Throws CommandError for a folder without accounts: its disk may not be mounted. */
async function checkAccounts(dir: string): Promise<void> {
  await checkFolder(dir)
  for await (const name of eachUserFolder(dir)) {
    if (await unlessAbsent(stat(join(dir, name, authFile)))) return
  }
  throw new CommandError(
    `There are no accounts in ${dir}: no backup was made. Is its disk mounted? Pass the state directory with --dir.`,
  )
}

async function write(
  state: State,
  said: string | undefined,
  keep: number | undefined,
  contents: Contents,
): Promise<Written> {
  // The archive contains the files. One that cannot be written must not prevent a backup of the others.
  const isComplete = await state.store.flush()
  const target = said === '-' ? undefined : await resolveTarget(state, said)
  if (keep !== undefined && target?.isDated === false) throw noFolder()
  const all = isFolder(state) ? backupFiles(state.dir, progressBar('folder')) : await engineFiles(state)
  const files = countFiles(all, contents)
  await interruptible(
    (signal) => (target ? writeArchive(files, target.path, signal) : streamArchive(files, stdout, signal)),
    () => 'Interrupted: no backup was made.',
  )
  return { path: target?.path, isComplete }
}

/** Throws CommandError where there are no accounts. */
async function engineFiles(state: State): Promise<AsyncIterable<ArchivedFile>> {
  const { store } = state
  if (!(await hasUsers(store)))
    throw new CommandError('There are no accounts in KSS_STORE: no backup was made. Does it name the right database?')
  const users = usersOf(state, undefined, progressBar('user'))
  return archiveOf(users, (user) => documentsOfUser(state, user), await store.getRegistration())
}

async function resolveTarget(state: State, said: string | undefined): Promise<Target> {
  if (said === undefined) {
    if (isFolder(state)) return { path: join(await makeBackupFolder(state.dir), backupName()), isDated: true }
    throw new CommandError(
      'KSS_STORE is set: there is no data folder for backups. Pass a file or a folder. Try: kss backup create kss.tar.gz',
      exitCodes.usage,
    )
  }
  const path = resolve(said)
  const hasFolder = (await unlessAbsent(stat(path)))?.isDirectory()
  if (!hasFolder && /[/\\]$/.test(said)) throw new CommandError(`There is no folder ${path}.`)
  if (!hasFolder) {
    await checkOutput(path)
    return { path, isDated: false }
  }
  if (isFolder(state)) await checkOutside(state.dir, path)
  return { path: join(path, backupName()), isDated: true }
}

/** Throws CommandError if the folder is inside the state directory, and is not its folder of backups. */
async function checkOutside(dir: string, path: string): Promise<void> {
  const [first = ''] = relative(await realpath(dir), await realpath(path)).split(sep)
  if (first === '..' || first === backupsName) return
  throw new CommandError(
    `The folder ${path} is the state directory. Pass another folder for backups, or none.`,
    exitCodes.usage,
  )
}

async function removeOld(path: string, keep: number): Promise<string[]> {
  return await removeOldBackups(path, keep).catch((error: unknown) => {
    throw new CommandError(`The backup is in ${path}. An older backup cannot be removed: ${(error as Error).message}`)
  })
}

function noFolder(): CommandError {
  return new CommandError('--keep needs a folder of backups. Pass a folder, or none.', exitCodes.usage)
}
