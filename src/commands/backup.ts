import { access, mkdir, rm, stat } from 'node:fs/promises'
import { resolve, sep } from 'node:path'
import { stdout } from 'node:process'
import type { Command } from 'commander'
import { CommandError, exitCodes } from '../command-error.ts'
import { plain } from '../plain.ts'
import { isRepeat, type Progress } from '../protocol.ts'
import { tempPath } from '../store/atomic-file.ts'
import { backupFolder, listBackups } from '../store/backup-files.ts'
import { backupFiles, streamArchive, writeArchive } from '../store/backup.ts'
import { unlessAbsent } from '../store/error-code.ts'
import { FileStore } from '../store/file-store.ts'
import { readRecords, readRows } from '../store/folder-reader.ts'
import type { MergedDocument } from '../store/merge-documents.ts'
import { listStoredUsers } from '../store/list-users.ts'
import { RegistrationFile } from '../store/registration-file.ts'
import { BadBackup, unpackBackup } from '../store/unpack-backup.ts'
import type { StoredUser } from '../store/auth-file.ts'
import { examples, jsonCommand } from './define.ts'
import { documentsAtOnce, mergeUser, type MergedUser } from './merge-user.ts'
import { backUp } from './state-format.ts'
import type { StateStore } from './state-store.ts'
import { changeState, loadSettings, withState, type State, type StateFlags } from './state.ts'
import { count, formatBytes, formatTime, print, progressBar, table } from './terminal.ts'

/** `kss backup create|restore|list`. */
export function defineBackup(program: Command): void {
  const backup = program.command('backup').description('make, restore and list backups, while the server runs')
  jsonCommand(backup, 'create [file]', 'write all accounts, positions and histories to one file; - is standard output')
    .addHelpText('after', '\nWithout a file it goes into the folder .backups of the data folder.')
    .addHelpText(
      'after',
      examples('kss backup create', 'kss backup create /mnt/nas/kss.tar.gz', 'kss backup create - > kss.tar.gz'),
    )
    .action(create)
  jsonCommand(backup, 'restore <file>', 'restore a backup into an empty data folder')
    .option('--merge', 'into one that is not: accounts stay, the newest position wins, the rest goes into the history')
    .addHelpText(
      'after',
      examples('kss backup restore kss.tar.gz --dir /srv/new', 'kss backup restore --merge kss.tar.gz'),
    )
    .action(restore)
  jsonCommand(backup, 'list [folder]', 'show the backups of the data folder, or of another one')
    .addHelpText('after', examples('kss backup list', 'kss backup list /mnt/nas'))
    .action(list)
}

async function create(file: string | undefined, flags: StateFlags): Promise<void> {
  if (file === '-' && stdout.isTTY) {
    throw new CommandError('A backup is nothing for a screen: kss backup create - > kss.tar.gz', exitCodes.usage)
  }
  const path = await withState(flags, async ({ dir, store }) => {
    // What was pushed so far must be in the files.
    if (!(await store.flush()))
      throw new CommandError('Some positions are not in their files yet. Try again; see the log.')
    const show = progressBar('folder')
    if (file === undefined) return await backUp(dir, { onFolder: show })
    if (file === '-') {
      await streamArchive(backupFiles(dir, show), stdout)
      return undefined
    }
    await writeArchive(backupFiles(dir, show), resolve(file))
    return resolve(file)
  })
  if (path !== undefined) print(flags.json, { path }, () => `The backup is in ${plain(path)}\n`)
}

async function restore(file: string, flags: StateFlags & { merge?: boolean }): Promise<void> {
  // Before a folder is made for what cannot come.
  await access(file).catch((error: unknown) => {
    throw new CommandError(`Cannot read the backup ${file}: ${(error as Error).message}`)
  })
  const problems: string[] = []
  const work = (state: State): Promise<MergedUser[]> => restoreInto(state, file, flags.merge ?? false, problems)
  const users = await changeState(flags, ['backup', 'restore', file], work, { create: true })
  for (const problem of problems) console.error(`Not restored: ${plain(problem)}`)
  print(flags.json, { users, problems }, () => describe(users))
  if (problems.length > 0) process.exitCode = exitCodes.failure
}

async function restoreInto(state: State, file: string, merge: boolean, problems: string[]): Promise<MergedUser[]> {
  const { dir, store } = state
  if (!merge && (await store.listUsers()).length > 0) {
    throw new CommandError(`The folder ${dir} has accounts. --merge adds to them; or name an empty one with --dir.`)
  }
  const temp = tempPath(dir)
  await mkdir(temp, { mode: 0o700 })
  try {
    await unpack(file, temp)
    // It brings in what the journal of an archive of tar holds.
    const onDamage = (error: unknown): unknown => problems.push((error as Error).message.replaceAll(temp + sep, ''))
    const from = await FileStore.open({ dir: temp, history: true, onDamage })
    await from.close()
    const users = await listStoredUsers(temp, onDamage)
    const show = progressBar('user')
    const merged: MergedUser[] = []
    for (const user of users) {
      merged.push(await mergeUser(store, user, readDocuments(user, onDamage)))
      show(merged.length, users.length)
    }
    if (!merge) await restoreRegistration(temp, store).catch(onDamage)
    // A start, or a check, may have taken it for left over.
    /* c8 ignore next 3 -- it takes a restore of more than a minute */
    if (!(await unlessAbsent(stat(temp))))
      throw new CommandError('The unpacked archive was removed meanwhile. Try again.')
    return merged
  } finally {
    await rm(temp, { recursive: true, force: true })
  }
}

/** Whom the operator had let in, and that all others were not; not that anybody was. */
async function restoreRegistration(from: string, store: StateStore): Promise<void> {
  const { open, invited } = await new RegistrationFile(from).get()
  if (open === false) await store.setRegistration({ open })
  for (const username of invited) await store.setInvited(username, true)
}

async function unpack(file: string, folder: string): Promise<void> {
  try {
    await unpackBackup(resolve(file), folder)
  } catch (error) {
    if (!(error instanceof BadBackup)) throw error
    throw new CommandError(`Cannot restore ${file}: ${error.message}. Nothing was changed.`)
  }
}

/** The documents of a user with their rows, some at a time. */
export function* readDocuments(
  { folder }: StoredUser,
  onDamage: (error: unknown) => void,
): Generator<MergedDocument[]> {
  const records = readRecords(folder, onDamage)
  for (let at = 0; at < records.length; at += documentsAtOnce) {
    const some = records.slice(at, at + documentsAtOnce)
    yield some.map((stored) => {
      const { title, ...record } = stored.record
      return { rows: withRecord(readRows(stored), record), ...(title !== undefined && { title }) }
    })
  }
}

/** The rows and the record behind them, unless they went on from it while the archive was made. */
function withRecord(rows: Progress[], record: Progress): Progress[] {
  const next = rows[rows.findLastIndex((row) => isRepeat(row, record)) + 1]
  const wentOn = next !== undefined && next !== rows[0] && next.timestamp >= record.timestamp
  return wentOn ? rows : [...rows, record]
}

function describe(users: MergedUser[]): string {
  const lines = users.map(({ username, isNew, documents, latest, rows }) => {
    const account = isNew ? 'new' : 'was there'
    return [username, account, `${documents}`, `${latest}`, `${rows}`]
  })
  const done = `${count(users.length, 'account')} restored.\n`
  return table(['NAME', 'ACCOUNT', 'DOCUMENTS', 'NEWER THAN HERE', 'CHANGES ADDED'], lines) + done
}

async function list(folder: string | undefined, flags: StateFlags): Promise<void> {
  const from = folder === undefined ? backupFolder(loadSettings(flags).KSS_DIR) : resolve(folder)
  const backups = await listBackups(from).catch((error: unknown) => {
    throw new CommandError(`Cannot read the folder ${from}: ${(error as Error).message}`)
  })
  print(flags.json, backups, () => {
    if (backups.length === 0) return 'There is no backup. kss backup create makes one.\n'
    return table(
      ['MADE', 'SIZE', 'FILE'],
      backups.map(({ path, bytes, created }) => [formatTime(created), formatBytes(bytes), path]),
    )
  })
}
