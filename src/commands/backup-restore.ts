import { createReadStream } from 'node:fs'
import { access, mkdir, rm, stat } from 'node:fs/promises'
import { sep } from 'node:path'
import { stdin } from 'node:process'
import { CommandError, exitCodes } from '../command-error.ts'
import { plain } from '../plain.ts'
import { isRepeat, type Progress } from '../kosync/protocol.ts'
import { tempPath } from '../durable.ts'
import { unlessAbsent } from '../error-code.ts'
import { FileStore } from '../store/file-store/file-store.ts'
import { eachRecord, readRows } from '../store/file-store/files/folder-reader.ts'
import { listStoredUsers } from '../store/file-store/files/list-users.ts'
import type { MergedDocument } from '../store/store.ts'
import { RegistrationFile } from '../store/file-store/files/registration-file.ts'
import { removeAllTemps } from '../control/remove-temps.ts'
import { tempAge } from '../check/scan-entries.ts'
import { BadBackup, unpackBackup, type UnpackOptions } from '../backup/unpack-backup.ts'
import type { StoredUser } from '../store/file-store/files/auth-file.ts'
import { interruptible } from './interrupt.ts'
import { documentsAtOnce, mergeUser, type MergedUser } from './merge-user.ts'
import type { StateStore } from '../control/state-store.ts'
import { changeState, type State, type StateFlags } from '../control/state.ts'
import { count, print, progressBar, table } from './terminal.ts'

/** `kss backup restore`. */
export async function restoreBackup(file: string, flags: StateFlags & { merge?: boolean }): Promise<void> {
  await checkReadable(file)
  const problems: string[] = []
  const work = (state: State): Promise<MergedUser[]> => restoreInto(state, file, flags.merge ?? false, problems)
  const users = await changeState(flags, ['backup', 'restore', file], work, { create: true })
  for (const problem of problems) console.error(`Not restored: ${plain(problem)}`)
  print(flags.json, { users, problems }, () => describe(users))
  if (problems.length > 0) process.exitCode = exitCodes.failure
}

/** Before a folder is made for what cannot come. Throws CommandError. */
async function checkReadable(file: string): Promise<void> {
  if (file !== '-') {
    await access(file).catch((error: unknown) => {
      throw new CommandError(`Cannot read the backup ${file}: ${(error as Error).message}`)
    })
  } else if (stdin.isTTY) {
    throw new CommandError(
      'An archive cannot be read from a terminal. Try: kss backup restore - < kss.tar.gz',
      exitCodes.usage,
    )
  }
}

async function restoreInto(state: State, file: string, merge: boolean, problems: string[]): Promise<MergedUser[]> {
  const { dir, store, server } = state
  if (!merge && (await store.listUsers()).length > 0) {
    throw new CommandError(
      `The folder ${dir} has accounts. Pass --merge to add to them, or an empty folder with --dir.`,
    )
  }
  // Of a restore that was killed. Without a server nobody else works here.
  await removeAllTemps(dir, server ? Date.now() - tempAge : Date.now())
  const temp = tempPath(dir)
  const onDamage = (error: unknown): unknown => problems.push((error as Error).message.replaceAll(temp + sep, ''))
  const merged: MergedUser[] = []
  const work = async (signal: AbortSignal): Promise<void> => {
    const users = await unpackUsers(file, temp, { signal, onDamage })
    const show = progressBar('user')
    for (const user of users) {
      signal.throwIfAborted()
      merged.push(await mergeUser(store, user, readDocuments(user, onDamage)))
      show(merged.length, users.length)
    }
    if (!merge) await restoreRegistration(temp, store).catch(onDamage)
    // A start, or a check, may have taken it for left over.
    /* c8 ignore next 3 -- it takes a restore of more than a minute */
    if (!(await unlessAbsent(stat(temp))))
      throw new CommandError('The unpacked archive was removed meanwhile. Try again.')
  }
  try {
    await interruptible(work, () => {
      if (merged.length === 0) return 'Interrupted. Nothing was changed.'
      return `Interrupted. ${count(merged.length, 'account')} restored; with --merge the others come too.`
    })
    return merged
  } finally {
    await rm(temp, { recursive: true, force: true })
  }
}

/** Makes the folder with what the archive holds. */
async function unpackUsers(file: string, folder: string, options: UnpackOptions): Promise<StoredUser[]> {
  await mkdir(folder, { mode: 0o700 })
  try {
    await unpackBackup(file === '-' ? stdin : createReadStream(file), folder, options)
  } catch (error) {
    if (!(error instanceof BadBackup)) throw error
    throw new CommandError(`Cannot restore ${file}: ${error.message}. Nothing was changed.`)
  }
  const { onDamage } = options
  // It brings in what the log of an archive of tar holds.
  const store = await FileStore.open({ dir: folder, history: true, onDamage })
  await store.close()
  return await listStoredUsers(folder, onDamage)
}

/** Whom the operator had let in, and that all others were not; not that anybody was. */
async function restoreRegistration(from: string, store: StateStore): Promise<void> {
  const { open, invited } = await new RegistrationFile(from).get()
  if (open === false) await store.setRegistration({ open })
  for (const username of invited) await store.setInvited(username, true)
}

/** Characters of JSON that go to the store in one call. */
const charactersAtOnce = 2 ** 23

/** The documents of a user with their rows, some at a time. */
export function* readDocuments(
  { folder }: StoredUser,
  onDamage: (error: unknown) => void,
): Generator<MergedDocument[]> {
  let some: MergedDocument[] = []
  let size = 0
  for (const stored of eachRecord(folder, onDamage)) {
    const { title, ...record } = stored.record
    const document = { rows: withRecord(readRows(stored), record), ...(title !== undefined && { title }) }
    some.push(document)
    size += JSON.stringify(document).length
    if (some.length < documentsAtOnce && size < charactersAtOnce) continue
    yield some
    some = []
    size = 0
  }
  if (some.length > 0) yield some
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
