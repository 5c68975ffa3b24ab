import { createReadStream } from 'node:fs'
import { access, mkdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { sep } from 'node:path'
import { stdin } from 'node:process'
import { CommandError, exitCodes } from '../command-error.ts'
import { plain } from '../plain.ts'
import { isRepeat, nextProgress, type Progress } from '../kosync/protocol.ts'
import { tempPath } from '../durable.ts'
import { unlessAbsent } from '../error-code.ts'
import { openStore, type OpenedStore } from '../control/open-store.ts'
import { eachPage } from '../store/pages.ts'
import type { Account, Admin, ExportedDocument, MergedDocument, Store, User } from '../store/store.ts'
import { removeAllTemps } from '../control/remove-temps.ts'
import { tempAge } from '../check/scan-entries.ts'
import { BadBackup, unpackBackup, type UnpackOptions } from '../backup/unpack-backup.ts'
import { findUser, hasUsers } from './accounts.ts'
import { interruptible } from './interrupt.ts'
import { mergeUser, type MergedUser } from './merge-user.ts'
import { restoreLinks } from './restore-links.ts'
import type { StateStore } from '../control/state-store.ts'
import { changeState, isFolder, type State, type StateFlags } from '../control/state.ts'
import { count, print, progressBar, table } from './terminal.ts'

/** `kss backup restore`. */
export async function restoreBackup(file: string, flags: StateFlags & { merge?: boolean }): Promise<void> {
  await checkReadable(file)
  const problems: string[] = []
  const work = (state: State): Promise<MergedUser[]> => restoreInto(state, file, flags.merge ?? false, problems)
  const users = await changeState(flags, ['backup', 'restore', file], work, { create: true })
  for (const problem of problems) console.error(`Not restored: ${plain(problem)}`)
  await print(flags.json, { users, problems }, () => describe(users))
  if (problems.length > 0) process.exitCode = exitCodes.failure
}

/** Checks that the archive can be read, before a state directory is created for it. Throws CommandError. */
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
  const { store, server } = state
  if (!merge && (await hasUsers(store))) throw new CommandError(notEmpty(state))
  // Removes what a killed restore left. Without a server no other process writes here.
  if (isFolder(state)) await removeAllTemps(state.dir, server ? Date.now() - tempAge : Date.now())
  const temp = tempPath(isFolder(state) ? state.dir : tmpdir())
  const onDamage = (error: unknown): unknown => problems.push((error as Error).message.replaceAll(temp + sep, ''))
  const merged: MergedUser[] = []
  const work = async (signal: AbortSignal): Promise<void> => {
    const backup = await unpackStore(file, temp, { signal, onDamage })
    try {
      signal.throwIfAborted()
      // Before the accounts: after an interruption, --merge would leave registration open.
      if (!merge) await restoreRegistration(backup.store, store).catch(onDamage)
      for await (const user of restoreUsers(backup, temp, { state, merge, onDamage })) {
        merged.push(user)
        signal.throwIfAborted()
      }
    } finally {
      await backup.close()
    }
    // A server's start or a check may have removed it as a left-over file.
    /* c8 ignore next 3 -- it takes a restore of more than a minute */
    if (!(await unlessAbsent(stat(temp))))
      throw new CommandError('The unpacked archive was removed meanwhile. Try again.')
  }
  try {
    await interruptible(work, () => {
      if (merged.length === 0) return 'Interrupted. Nothing was changed.'
      const others = `Interrupted. ${count(merged.length, 'account')} restored; with --merge the others come too`
      return merge
        ? `${others}.`
        : `${others}, but not their limits, nor who is an operator. For those, empty it and restore again.`
    })
    return merged
  } finally {
    await rm(temp, { recursive: true, force: true })
  }
}

function notEmpty(state: State): string {
  return isFolder(state)
    ? `The folder ${state.dir} has accounts. Pass --merge to add to them, or an empty folder with --dir.`
    : 'KSS_STORE has accounts. Pass --merge to add to them, or an empty database.'
}

/** Creates the folder, unpacks the archive into it, and opens it as a store. */
async function unpackStore(file: string, folder: string, options: UnpackOptions): Promise<OpenedStore> {
  await mkdir(folder, { mode: 0o700 })
  try {
    await unpackBackup(file === '-' ? stdin : createReadStream(file), folder, options)
  } catch (error) {
    if (!(error instanceof BadBackup)) throw error
    throw new CommandError(`Cannot restore ${file}: ${error.message}. Nothing was changed.`)
  }
  // Opening replays the log that an archive made by tar may contain.
  return await openStore({ dir: folder, history: true, blocking: true, onDamage: options.onDamage })
}

/** Adds the users of the backup, which was unpacked into the folder, one after the other. */
async function* restoreUsers(
  { admin }: Pick<OpenedStore, 'admin'>,
  folder: string,
  { state, merge, onDamage }: { state: State; merge: boolean; onDamage: (error: unknown) => void },
): AsyncGenerator<MergedUser> {
  const show = progressBar('user')
  let done = 0
  for await (const { users, damaged, total } of eachPage((cursor) => admin.listUsers(cursor))) {
    for (const problem of damaged) onDamage(new Error(problem))
    for (const user of users) {
      const merged = await mergeUser(state.store, user, readDocuments(admin, user.account, onDamage))
      if (!merge) await restoreRights(state, user)
      await restoreLinks(folder, user.account, state, onDamage)
      yield merged
      show(Math.min((done += 1), total), total)
    }
  }
}

/** Not with --merge: an archive from another server must not create an operator. */
async function restoreRights(state: State, { username, admin, quota }: User): Promise<void> {
  if (admin) await state.store.setAdmin((await findUser(state, username)).account, true)
  if (quota) await state.store.setQuota((await findUser(state, username)).account, quota)
}

/** Restores invitations, removed names, and whether registration was closed or open until a time; not that it was open for good. */
async function restoreRegistration(from: Pick<Store, 'getRegistration'>, store: StateStore): Promise<void> {
  const { invited, removed = [], ...said } = await from.getRegistration()
  if (said.open === false || said.until !== undefined) await store.setRegistration(said)
  for (const username of invited) await store.setInvited(username, true)
  if (removed.length > 0) await store.setRemoved(removed, true)
}

/** The documents of a user with their rows, a page at a time. */
export async function* readDocuments(
  admin: Pick<Admin, 'exportAccount'>,
  account: Account,
  onDamage: (error: unknown) => void,
): AsyncGenerator<MergedDocument[]> {
  for await (const { documents, problems } of eachPage((cursor) => admin.exportAccount(account, cursor))) {
    for (const problem of problems) onDamage(new Error(problem))
    yield documents.map(toMerged)
  }
}

function toMerged({ record: { title, ...record }, rows }: ExportedDocument): MergedDocument {
  return { rows: withRecord(rows, record), ...(title !== undefined && { title }) }
}

/** The rows with the record as the last one, unless the history, which was archived later, goes on from it. */
function withRecord(rows: Progress[], record: Progress): Progress[] {
  const at = rows.findLastIndex((row) => isRepeat(row, record))
  const next = at < 0 ? undefined : rows[at + 1]
  const wentOn = next !== undefined && nextProgress(record, next).timestamp === next.timestamp
  return wentOn ? [...rows.slice(0, -1), nextProgress(record, rows.at(-1)!)] : [...rows, record]
}

async function describe(users: MergedUser[]): Promise<string> {
  const lines = users.map(({ username, isNew, documents, latest, rows }) => {
    const account = isNew ? 'new' : 'was there'
    return [username, account, `${documents}`, `${latest}`, `${rows}`]
  })
  const done = `${count(users.length, 'account')} restored.\n`
  return (await table(['NAME', 'ACCOUNT', 'DOCUMENTS', 'NEWER THAN HERE', 'CHANGES ADDED'], lines)) + done
}
