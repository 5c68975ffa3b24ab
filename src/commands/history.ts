import type { Command } from 'commander'
import { CommandError, exitCodes } from '../command-error.ts'
import type { Progress } from '../protocol.ts'
import { readRecords, readRows } from '../store/folder-reader.ts'
import { keptRows } from '../store/rows.ts'
import { findUser, listUsers } from './accounts.ts'
import { examples, jsonCommand } from './define.ts'
import { findDocument, nameOf } from './documents.ts'
import { withState, type StateFlags } from './state.ts'
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
    .option('--before <device>', 'as it was before this reader spoilt it: its name or id')
    .addHelpText(
      'after',
      '\nThe number is that of `kss doc show`; without any of them it is the position before the last change.',
    )
    .addHelpText(
      'after',
      examples(
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
  const restored = await withState(flags, async (state) => {
    const found = await findDocument(state, username, asked)
    const { record } = found
    const row = chooseRow(readRows(found), number, flags)
    if (!row)
      throw new CommandError(
        `${plain(nameOf(record))} of ${username} has no such earlier position. kss doc show tells what it has.`,
      )
    const timestamp = freshTime(record)
    const { document, progress, percentage } = row
    // An id of its own: a reader must not take it for its own push.
    const pushed: Progress = { document, progress, percentage, device: 'kss', device_id: 'kss', timestamp }
    const { account } = await findUser(state, username)
    const stored = await state.store.putProgress(account, pushed)
    return { row, stored }
  })
  const { row, stored } = restored
  print(flags.json, stored, () => {
    const where = `${formatPercentage(row.percentage)}, where ${plain(row.device)} left it on ${formatTime(row.timestamp)}`
    return `${plain(nameOf(stored))} is back at ${where}.\nEach reader takes it at its next sync.\n`
  })
}

/** Newer than what readers know, also within one second; a stored time that is a day ahead counts for nothing. */
function freshTime({ timestamp }: Progress): number {
  const now = Math.floor(Date.now() / 1000)
  return timestamp > now + 86_400 ? now : Math.max(now, timestamp + 1)
}

/** The row that is meant; undefined when there is none. */
export function chooseRow(
  rows: Progress[],
  number: string | undefined,
  { at, before }: RestoreFlags,
): Progress | undefined {
  if ([number, at, before].filter((said) => said !== undefined).length > 1) {
    throw new CommandError('Say one of a number, --at and --before.', exitCodes.usage)
  }
  if (number !== undefined) return rows[parseCount(number) - 1]
  if (at !== undefined) {
    const time = parseTime(at)
    return rows.findLast(({ timestamp }) => timestamp <= time)
  }
  if (before === undefined) return rows.at(-2)
  const isItself = ({ device, device_id }: Progress): boolean => [device, device_id].includes(before)
  const last = rows.findLastIndex(isItself)
  return last === -1 ? undefined : rows.slice(0, last).findLast((row) => !isItself(row))
}

async function prune(username: string | undefined, flags: PruneFlags): Promise<void> {
  if (flags.keep === undefined && flags.keepDays === undefined) {
    throw new CommandError('Say what stays: --keep NUMBER, --keep-days DAYS, or both.', exitCodes.usage)
  }
  const keep = flags.keep === undefined ? Number.MAX_SAFE_INTEGER : parseCount(flags.keep)
  const since = flags.keepDays === undefined ? 0 : Date.now() / 1000 - parseCount(flags.keepDays) * 86_400
  const whose = username === undefined ? 'all accounts' : username
  await confirm(`Remove old changes of ${whose} for good?`, flags.yes)
  const removed = await withState(flags, async (state) => {
    const users = username === undefined ? await listUsers(state) : [await findUser(state, username)]
    const show = progressBar('user')
    let rows = 0
    for (const [at, user] of users.entries()) {
      for (const stored of readRecords(user.folder)) {
        const all = readRows(stored)
        if (keptRows(all, keep, since).length === all.length) continue
        rows += await state.store.pruneHistory(user.username, stored.record.document, keep, since)
      }
      show(at + 1, users.length)
    }
    return rows
  })
  print(flags.json, { removed }, () => `${count(removed, 'change')} removed.\n`)
}
