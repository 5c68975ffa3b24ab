import { statSync } from 'node:fs'
import { join } from 'node:path'
import { CommandError } from '../command-error.ts'
import type { Config } from '../config.ts'
import { readRecords, sizeOf } from '../store/file-store/files/folder-reader.ts'
import { authFile, type StoredUser } from '../store/file-store/files/auth-file.ts'
import { eachUser, findUser, tellDamage, tellDamagedRecord } from './accounts.ts'
import { changeState, withState, type State, type StateFlags } from '../control/state.ts'
import { parseDuration } from './time.ts'
import { table, tablePages } from './table.ts'
import { confirm, count, formatBytes, formatTime, print, printPages, progressBar } from './terminal.ts'

/** What an operator sees of a user. */
export interface UserSummary {
  username: string
  disabled: boolean
  admin: boolean
  documents: number
  /** Those that made the latest positions. */
  devices: number
  /** Seconds since 1970 of the last push; null when there was none. */
  last_sync: number | null
  /** The same; without a push, when auth.json was last written: when the account was made, or got another password. */
  last_active: number
  /** On the disk. */
  bytes: number
  /** What the account may keep: its own limits, else those of the settings; 0 is no limit. */
  quota_documents: number
  quota_bytes: number
}

/** Percent of a limit from which on `kss user list` tells of it. */
const leastToTell = 80

type Order = (one: UserSummary, other: UserSummary) => number

/** How `kss user list --sort` orders accounts; those that are equal stay in the order of their names. */
export const orders: Record<string, Order | undefined> = {
  name: undefined,
  documents: (one, other) => other.documents - one.documents,
  size: (one, other) => other.bytes - one.bytes,
  last: (one, other) => (other.last_sync ?? 0) - (one.last_sync ?? 0),
}

/** Reads what the user's folder holds; `onDamage` is told of a record that cannot be read. */
export function summarize(
  { username, disabled, admin, folder, quota }: StoredUser,
  { KSS_QUOTA_DOCUMENTS, KSS_QUOTA_BYTES }: Config,
  onDamage: (error: unknown) => void = () => undefined,
): UserSummary {
  const records = readRecords(folder, onDamage).map(({ record }) => record)
  const times = records.map(({ timestamp }) => timestamp)
  const last = times.length > 0 ? times.reduce((one, other) => Math.max(one, other)) : null
  return {
    username,
    disabled: disabled ?? false,
    admin: admin ?? false,
    documents: records.length,
    devices: new Set(records.map(({ device, device_id }) => device_id ?? device)).size,
    last_sync: last,
    last_active: last ?? Math.floor(statSync(join(folder, authFile)).mtimeMs / 1000),
    bytes: sizeOf(folder),
    quota_documents: quota?.documents ?? KSS_QUOTA_DOCUMENTS,
    quota_bytes: quota?.bytes ?? KSS_QUOTA_BYTES,
  }
}

/** As `3 documents and 12KB`. */
export function sizeLine(users: UserSummary[]): string {
  const documents = users.reduce((sum, user) => sum + user.documents, 0)
  const bytes = users.reduce((sum, user) => sum + user.bytes, 0)
  return `${count(documents, 'document')} and ${formatBytes(bytes)}`
}

/** `kss user list`. */
export async function listAccounts(flags: StateFlags & { inactive?: string; sort: string }): Promise<void> {
  const before = flags.inactive === undefined ? Infinity : Date.now() / 1000 - parseDuration(flags.inactive)
  let all = 0
  const isListed = ({ last_active }: UserSummary): boolean => {
    all += 1
    return last_active < before
  }
  await withState(flags, async (state) => {
    const users = keep(summarizeAll(state, tellDamagedRecord), isListed)
    const order = orders[flags.sort]
    const sorted = order ? (await collect(users)).toSorted(order) : users
    const layOut = tablePages(columns)
    const listed = await printPages(flags.json, sorted, (page) => layOut(page.map(rowOf)))
    if (listed > 0 || flags.json) return
    const nobody = all === 0 ? 'There is nobody yet. kss user add NAME makes an account.\n' : nobodyInactive(flags)
    process.stdout.write(nobody)
  })
}

async function* keep<T>(items: AsyncIterable<T>, isKept: (item: T) => boolean): AsyncGenerator<T> {
  for await (const item of items) if (isKept(item)) yield item
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

function nobodyInactive({ inactive }: { inactive?: string }): string {
  return `Nobody has been inactive for ${inactive}.\n`
}

/** `kss user rm --inactive`. An account with a record that cannot be read stays: nobody knows when it was pushed. */
export async function removeInactive(flags: StateFlags & { inactive: string; yes?: boolean }): Promise<void> {
  const before = Date.now() / 1000 - parseDuration(flags.inactive)
  // The folder is not held while a person thinks: a server that starts meanwhile would not wait so long.
  const users = await withState(flags, (state) => findInactive(state, before))
  if (users.length === 0) {
    print(flags.json, [], () => nobodyInactive(flags))
    return
  }
  if (!flags.yes) console.error(describe(users).trimEnd())
  await confirm(`Remove ${count(users.length, 'account')} with ${sizeLine(users)}?`, flags.yes)
  const asked = new Set(users.map(({ username }) => username))
  const gone = await changeState(flags, ['user', 'rm', '--inactive', flags.inactive], async (state) => {
    // Not those that have pushed since the question.
    const still = (await findInactive(state, before)).filter(({ username }) => asked.has(username))
    for (const { username } of still) await state.store.deleteUser((await findUser(state, username)).account)
    return still
  })
  print(flags.json, gone, () => `${describe(gone)}${count(gone.length, 'account')} removed, with ${sizeLine(gone)}.\n`)
}

/** Throws CommandError when it cannot be known who has pushed. */
async function findInactive(state: State, before: number): Promise<UserSummary[]> {
  if (!(await state.store.flush()))
    throw new CommandError('Some positions are not in their files yet. Try again; see the log.')
  const users = summarizeAll(state, (error) => {
    throw error
  })
  return await collect(keep(users, ({ last_active }) => last_active < before))
}

/** In the order of their names. */
async function* summarizeAll(state: State, onDamage: (error: unknown) => void): AsyncGenerator<UserSummary> {
  for await (const user of eachUser(state, progressBar('user'))) {
    const summary = summarizeOrTell(user, state.config, onDamage)
    if (summary) yield summary
  }
}

function summarizeOrTell(
  user: StoredUser,
  config: Config,
  onDamage: (error: unknown) => void,
): UserSummary | undefined {
  try {
    return summarize(user, config, onDamage)
  } catch (error) {
    tellDamage(`Left out: ${user.username}: ${(error as Error).message}`)
    return undefined
  }
}

const columns = ['NAME', 'DOCUMENTS', 'DEVICES', 'LAST SYNC', 'SIZE', '']

function rowOf(user: UserSummary): string[] {
  const { username, documents, devices, last_sync, bytes } = user
  const last = last_sync === null ? 'never' : formatTime(last_sync)
  return [username, `${documents}`, `${devices}`, last, formatBytes(bytes), remarks(user)]
}

function describe(users: UserSummary[]): string {
  return table(columns, users.map(rowOf))
}

/** As `disabled, 91 % full`. From 100 % on the server takes no new document of the account. */
function remarks({ disabled, admin, documents, bytes, quota_documents, quota_bytes }: UserSummary): string {
  const percent = Math.max(percentOf(documents, quota_documents), percentOf(bytes, quota_bytes))
  const full = percent >= 100 ? ['full'] : percent >= leastToTell ? [`${percent} % full`] : []
  return [...(admin ? ['operator'] : []), ...(disabled ? ['disabled'] : []), ...full].join(', ')
}

/** Rounded down; 0 where there is no limit. */
function percentOf(used: number, most: number): number {
  return most === 0 ? 0 : Math.floor((used * 100) / most)
}
