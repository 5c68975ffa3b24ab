import { CommandError } from '../command-error.ts'
import type { Config } from '../config.ts'
import { eachPage } from '../store/pages.ts'
import type { Account, AccountSummary } from '../store/store.ts'
import { eachItem, hasToldDamage, tellDamage, tellDamagedRecord, unlessGone } from './accounts.ts'
import { changeState, withState, type State, type StateFlags } from '../control/state.ts'
import { parseDuration } from './time.ts'
import { table, tablePages } from './table.ts'
import { confirm, count, formatBytes, formatTime, print, printPages, progressBar } from './terminal.ts'

/** A user as `kss user list --json` prints it. */
export interface UserSummary {
  username: string
  disabled: boolean
  admin: boolean
  documents: number
  /** Number of devices that made the latest positions. */
  devices: number
  /** Seconds since 1970 of the last push; null when there was none. */
  last_sync: number | null
  /** Seconds since 1970 of the last push; without one, when auth.json was last written. */
  last_active: number
  /** Bytes on the disk. */
  bytes: number
  /** What the account may keep: its own limits, else those of the settings; 0 is no limit. */
  quota_documents: number
  quota_bytes: number
}

/** Percent of a limit from which `kss user list` reports it. */
const leastToTell = 80

type Order = (one: UserSummary, other: UserSummary) => number

/** The orders of `kss user list --sort`; equal accounts are sorted by name. */
export const orders: Record<string, Order | undefined> = {
  name: undefined,
  documents: (one, other) => other.documents - one.documents,
  size: (one, other) => other.bytes - one.bytes,
  last: (one, other) => (other.last_sync ?? 0) - (one.last_sync ?? 0),
}

/** Converts a summary to what commands print. */
export function describeUse(
  { account, disabled, admin, documents, devices, lastSync, lastActive, bytes, quota }: AccountSummary,
  { KSS_QUOTA_DOCUMENTS, KSS_QUOTA_BYTES }: Config,
): UserSummary {
  return {
    username: account.username,
    disabled,
    admin,
    documents,
    devices,
    last_sync: lastSync ?? null,
    last_active: lastActive,
    bytes,
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
    const users = keep(describeAll(state), isListed)
    const order = orders[flags.sort]
    const sorted = order ? (await collect(users)).toSorted(order) : users
    const layOut = tablePages(columns)
    const listed = await printPages(flags.json, sorted, (page) => layOut(page.map(rowOf)))
    if (listed > 0 || flags.json || hasToldDamage()) return
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
  // The folder is not locked during the prompt: a server that starts meanwhile would give up waiting.
  const found = await withState(flags, (state) => findInactive(state, before))
  const users = found.map(({ use }) => use)
  if (users.length === 0) {
    await print(flags.json, [], () => nobodyInactive(flags))
    return
  }
  if (!flags.yes) console.error((await describe(users)).trimEnd())
  await confirm(`Remove ${count(users.length, 'account')} with ${sizeLine(users)}?`, flags.yes)
  const asked = new Set(found.map(({ account }) => account.id))
  const gone = await changeState(flags, ['user', 'rm', '--inactive', flags.inactive], async (state) => {
    const removed: UserSummary[] = []
    // Leaves out accounts with a push since the prompt.
    const still = (await findInactive(state, before)).filter(({ account }) => asked.has(account.id))
    for (const { account, use } of still) {
      await unlessGone(async () => {
        await state.store.deleteUser(account)
        removed.push(use)
      })
    }
    return removed
  })
  await print(
    flags.json,
    gone,
    async () => `${await describe(gone)}${count(gone.length, 'account')} removed, with ${sizeLine(gone)}.\n`,
  )
}

interface Inactive {
  account: Account
  use: UserSummary
}

/** Throws CommandError when it cannot be known who has pushed. */
async function findInactive(state: State, before: number): Promise<Inactive[]> {
  if (!(await state.store.flush()))
    throw new CommandError('Some positions are not in their files yet. Try again; see the log.')
  const inactive: Inactive[] = []
  for await (const summary of summarizeAll(state)) {
    const { account, problems, lastActive } = summary
    const [problem] = problems
    if (problem !== undefined) tellDamage(`Left out: ${account.username}: ${problem}`)
    else if (lastActive < before) inactive.push({ account, use: describeUse(summary, state.config) })
  }
  return inactive
}

/** Yields the summaries of all accounts, sorted by name. */
function summarizeAll({ store }: State): AsyncGenerator<AccountSummary> {
  const pages = eachPage(async (cursor?: string) => {
    const { accounts, ...page } = await store.listAccounts(cursor)
    return { ...page, items: accounts }
  })
  return eachItem(pages, progressBar('user'))
}

/** Yields what commands print of each account, and reports each record that cannot be read. */
async function* describeAll(state: State): AsyncGenerator<UserSummary> {
  for await (const summary of summarizeAll(state)) {
    summary.problems.forEach(tellDamagedRecord)
    yield describeUse(summary, state.config)
  }
}

const columns = ['NAME', 'DOCUMENTS', 'DEVICES', 'LAST SYNC', 'SIZE', '']

function rowOf(user: UserSummary): string[] {
  const { username, documents, devices, last_sync, bytes } = user
  const last = last_sync === null ? 'never' : formatTime(last_sync)
  return [username, `${documents}`, `${devices}`, last, formatBytes(bytes), remarks(user)]
}

async function describe(users: UserSummary[]): Promise<string> {
  return await table(columns, users.map(rowOf))
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
