import type { Command } from 'commander'
import { CommandError, exitCodes } from '../command-error.ts'
import type { Progress } from '../kosync/protocol.ts'
import { changesOf, isRestored, restore as pushBack } from '../library/restore.ts'
import { nameOf } from '../library/titles.ts'
import { findUser, unlessGone, usersOf } from './accounts.ts'
import { examples, jsonCommand } from './define.ts'
import { isByDevice } from './device.ts'
import { findDocument } from './documents.ts'
import { changeState, withState, type StateFlags } from '../control/state.ts'
import { plain } from '../plain.ts'
import { confirm, count, formatPercentage, formatTime, print, progressBar } from './terminal.ts'
import { parseCount, parseTime } from './time.ts'

interface RestoreFlags extends StateFlags {
  at?: string
  before?: string
}

interface PruneFlags extends StateFlags {
  keepDays?: string
  keep?: string
  yes?: boolean
}

/** `kss history restore|prune`. */
export function defineHistory(program: Command): void {
  const history = program.command('history').description('undo a wrong sync; shorten the history')
  jsonCommand(
    history,
    'restore <user> <document> [number]',
    'put an earlier position back, so that every reader takes it',
  )
    .option('--at <time>', 'as it was then: 2026-01-31, "2026-01-31 21:30", or 2h for two hours ago')
    .option('--before <device>', 'as it was before this reader spoilt it: its name or id, or a part')
    .addHelpText(
      'after',
      '\nThe number is that of `kss doc show`. Without any of them it is the position before the pushes of the last reader.',
    )
    .addHelpText(
      'after',
      examples(
        'kss history restore alice Dune',
        'kss history restore alice Dune --before Kobo',
        'kss history restore alice Dune --at 2h',
        'kss history restore alice Dune 3',
      ),
    )
    .action(restore)
  jsonCommand(history, 'prune [user]', 'remove old changes of all accounts, or of one; the last one of each book stays')
    .option('--keep <number>', 'as many changes of a book stay')
    .option('--keep-days <days>', 'what is younger stays')
    .option('--yes', 'do not ask')
    .addHelpText(
      'after',
      examples('kss history prune --keep-days 365 --yes', 'kss history prune alice --keep 100 --yes'),
    )
    .action(prune)
}

async function restore(
  username: string,
  asked: string,
  number: string | undefined,
  flags: RestoreFlags,
): Promise<void> {
  const restored = await changeState(flags, ['history', 'restore', username, asked], async (state) => {
    const { account, record } = await findDocument(state, username, asked)
    const rows = await state.store.listHistory(account, record.document)
    if ([number, flags.at, flags.before].every((said) => said === undefined) && isRestored(record))
      return { row: record, stored: record, again: true }
    const row = chooseRow(changesOf(rows, record), number, flags)
    if (!row)
      throw new CommandError(
        `${nameOf(record)} of ${username} has no such earlier position. kss doc show tells what it has.`,
      )
    const stores = { store: state.store, admin: state.store }
    const stored = await pushBack(stores, account, { record, rows }, row, Date.now())
    return { row, stored, again: false }
  })
  const { row, stored, again } = restored
  await print(flags.json, stored, () => {
    if (again) {
      const where = `${formatPercentage(row.percentage)} since ${formatTime(row.timestamp)}`
      return `${plain(nameOf(stored))} is back already, at ${where}. Pass a number, --at or --before for another position.\n`
    }
    const where = `${formatPercentage(row.percentage)}, where ${plain(row.device)} left it on ${formatTime(row.timestamp)}`
    return `${plain(nameOf(stored))} is back at ${where}.\nEach reader takes it at its next sync.\n`
  })
}

/** The row that the flags select; undefined when there is none. */
export function chooseRow(
  rows: Progress[],
  number: string | undefined,
  { at, before }: RestoreFlags,
): Progress | undefined {
  if ([number, at, before].filter((said) => said !== undefined).length > 1) {
    throw new CommandError('Pass only one of a number, --at and --before.', exitCodes.usage)
  }
  if (number !== undefined) return rows[parseCount(number) - 1]
  if (at !== undefined) {
    const time = parseTime(at)
    return rows.findLast(({ timestamp }) => timestamp <= time)
  }
  if (before !== undefined) return beforeRun(rows, isByDevice(rows, before))
  const last = rows.at(-1)!
  // Where only one reader pushed, nothing tells its mistakes from its reading.
  return beforeRun(rows, (row) => isSameDevice(row, last)) ?? rows.at(-2)
}

/** The row before the last run of rows that a device pushed. */
function beforeRun(rows: Progress[], isOfIt: (row: Progress) => boolean): Progress | undefined {
  const last = rows.findLastIndex(isOfIt)
  return rows.slice(0, Math.max(last, 0)).findLast((row) => !isOfIt(row))
}

function isSameDevice(one: Progress, other: Progress): boolean {
  return one.device_id === undefined || other.device_id === undefined
    ? one.device === other.device
    : one.device_id === other.device_id
}

async function prune(username: string | undefined, flags: PruneFlags): Promise<void> {
  if (flags.keep === undefined && flags.keepDays === undefined) {
    throw new CommandError('Pass --keep NUMBER, --keep-days DAYS, or both.', exitCodes.usage)
  }
  const keep = flags.keep === undefined ? Number.MAX_SAFE_INTEGER : parseCount(flags.keep)
  const since = flags.keepDays === undefined ? 0 : Date.now() / 1000 - parseCount(flags.keepDays) * 86_400
  if (username !== undefined) await withState(flags, (state) => findUser(state, username))
  const whose = username === undefined ? 'all accounts' : username
  await confirm(`Remove old changes of ${whose} for good?`, flags.yes)
  const words = ['history', 'prune', ...(username === undefined ? [] : [username])]
  const removed = await changeState(flags, words, async (state) => {
    let rows = 0
    for await (const { account } of usersOf(state, username, progressBar('user'))) {
      await unlessGone(async () => void (rows += await state.store.pruneHistory(account, keep, since)))
    }
    return rows
  })
  await print(flags.json, { removed }, () => `${count(removed, 'change')} removed.\n`)
}
