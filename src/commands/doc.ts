import { Option, type Command } from 'commander'
import pLimit from 'p-limit'
import { CommandError } from '../command-error.ts'
import type { Progress } from '../kosync/protocol.ts'
import { findMismatches } from '../library/mismatches.ts'
import { nameOf, titleOf } from '../library/titles.ts'
import { findUser, readRecords, unlessGone, usersOf } from './accounts.ts'
import { examples, jsonCommand } from './define.ts'
import { findDocument, type FoundDocument } from './documents.ts'
import { formatBookIds, hashBook, type BookIds } from './hash.ts'
import { describeMismatches } from './matching.ts'
import { changeState, withState, type State, type StateFlags } from '../control/state.ts'
import { plain } from '../plain.ts'
import { confirm, count, formatPercentage, formatTime, print, table } from './terminal.ts'

/** Rows of a history that are shown unless all are asked for. */
const shownRows = 30

/** `kss doc list|show|rm|name|merge|identify`. */
export function defineDoc(program: Command): void {
  const doc = program.command('doc').description('show and change positions in books')
  jsonCommand(doc, 'list <user>', 'show the positions of an account')
    .addOption(new Option('--sort <by>', 'the order').choices(['recent', 'percentage']).default('recent'))
    .addHelpText('after', examples('kss doc list alice', 'kss doc list alice --sort percentage'))
    .action(list)
  jsonCommand(
    doc,
    'show <user> <document>',
    'show how a position changed; the document by its id, a part of it, or its title',
  )
    .option('--all', `all changes, not only the last ${shownRows}`)
    .addHelpText('after', examples('kss doc show alice Dune', 'kss doc show alice 35322b --all'))
    .action(show)
  jsonCommand(doc, 'rm <user> <document>', 'remove a position and its history')
    .option('--yes', 'do not ask')
    .addHelpText('after', examples('kss doc rm alice Dune --yes'))
    .action(rm)
  jsonCommand(doc, 'name <user> <document> <title>', 'give a document a title; an empty one takes it away')
    .addHelpText('after', examples('kss doc name alice 35322b "Dune"'))
    .action(name)
  jsonCommand(doc, 'merge <user> <from> <into>', 'make one document of two ids of a book; the first id goes')
    .option('--yes', 'do not ask')
    .addHelpText('after', examples('kss doc merge alice 0a1b2c 35322b --yes'))
    .action(merge)
  jsonCommand(doc, 'identify <file...>', 'tell which positions belong to books')
    .option('--user <user>', 'of this account only')
    .addHelpText('after', examples('kss doc identify Dune.epub', 'kss doc identify --user alice Dune.epub'))
    .action(identify)
}

async function list(username: string, flags: StateFlags & { sort: 'recent' | 'percentage' }): Promise<void> {
  const records = await withState(flags, async (state) => readRecords(state, (await findUser(state, username)).account))
  const by = flags.sort === 'recent' ? 'timestamp' : 'percentage'
  const documents = records.toSorted((one, other) => other[by] - one[by])
  await print(flags.json, documents, async () => {
    if (documents.length === 0) return `${username} has no documents yet.\n`
    const positions = await table(['TITLE', 'DOCUMENT', 'AT', 'DEVICE', 'LAST SYNC'], documents.map(rowOf))
    return positions + describeMismatches(username, findMismatches(documents))
  })
}

function rowOf(record: Progress): string[] {
  const { document, percentage, device, timestamp } = record
  return [titleOf(record), document, formatPercentage(percentage), device, formatTime(timestamp)]
}

async function show(username: string, asked: string, flags: StateFlags & { all?: boolean }): Promise<void> {
  const { record, rows } = await withState(flags, (state) => readDocument(state, username, asked))
  await print(flags.json, { ...record, history: rows }, async () => {
    const hidden = flags.all ? 0 : Math.max(rows.length - shownRows, 0)
    const lines = rows.map(chartLine).slice(hidden)
    const earlier = hidden > 0 ? `${count(hidden, 'earlier change')}: --all shows them.\n` : ''
    return `${plain(nameOf(record))}\n${earlier}${await table(['#', 'TIME', 'DEVICE', 'AT', ''], lines)}`
  })
}

/** Finds the document and reads its history. Throws CommandError. */
async function readDocument(
  state: State,
  username: string,
  asked: string,
): Promise<FoundDocument & { rows: Progress[] }> {
  const found = await findDocument(state, username, asked)
  return { ...found, rows: await state.store.listHistory(found.account, found.record.document) }
}

/** Formats a row of the history, with the number for `kss history restore`. */
function chartLine({ timestamp, device, percentage }: Progress, at: number): string[] {
  const bar = '█'.repeat(Math.round(Math.min(Math.max(percentage, 0), 1) * 30))
  return [`${at + 1}`, formatTime(timestamp), device, formatPercentage(percentage), bar]
}

async function rm(username: string, asked: string, flags: StateFlags & { yes?: boolean }): Promise<void> {
  const { account, record, rows } = await withState(flags, (state) => readDocument(state, username, asked))
  const what = `${plain(nameOf(record))} of ${username}`
  await confirm(`Remove ${what} with ${count(rows.length, 'change')}?`, flags.yes)
  const words = ['doc', 'rm', username, record.document]
  await changeState(flags, words, ({ store }) => store.deleteProgress(account, record.document))
  await print(flags.json, record, () => `${plain(nameOf(record))} is gone. The next push of a reader begins anew.\n`)
}

async function name(username: string, asked: string, title: string, flags: StateFlags): Promise<void> {
  const document = await changeState(flags, ['doc', 'name', username, asked, title], async (state) => {
    const { account, record } = await findDocument(state, username, asked)
    await state.store.putTitle(account, record.document, title)
    return record.document
  })
  const done = title === '' ? 'has no title of its own any more' : `is "${plain(title)}" now`
  await print(flags.json, { document, title }, () => `${plain(document)} ${done}.\n`)
}

async function merge(
  username: string,
  from: string,
  into: string,
  flags: StateFlags & { yes?: boolean },
): Promise<void> {
  const { account, gone, rows, stays } = await withState(flags, async (state) => {
    const { record, ...found } = await readDocument(state, username, from)
    return { ...found, gone: record, stays: (await findDocument(state, username, into)).record }
  })
  if (gone.document === stays.document) throw new CommandError(`${from} and ${into} are the same document.`)
  const changes = count(rows.length, 'change')
  await confirm(`Join ${nameOf(gone)} with ${changes} to ${nameOf(stays)} of ${username}?`, flags.yes)
  const words = ['doc', 'merge', username, gone.document, stays.document]
  const { record: merged } = await changeState(flags, words, async (state) => {
    await state.store.mergeDocuments(account, gone.document, stays.document)
    return await findDocument(state, username, stays.document)
  })
  await print(flags.json, merged, () => {
    const where = `${formatPercentage(merged.percentage)}, where ${plain(merged.device)} left it on ${formatTime(merged.timestamp)}`
    return `${plain(nameOf(merged))} has both histories now, and is at ${where}.\n${plain(gone.document)} is gone.\n`
  })
}

/** Books that are read at a time: a process may open 256 files at once on some systems. */
const readers = 16

/** The ids of a book, and the positions that users have in it. */
interface Identified extends BookIds {
  positions: { username: string; record: Progress }[]
}

async function identify(files: string[], flags: StateFlags & { user?: string }): Promise<void> {
  const books = await pLimit(readers).map(files, readBook)
  await withState(flags, async (state) => {
    for await (const { username, account } of usersOf(state, flags.user)) {
      await unlessGone(async () => {
        for (const record of await readRecords(state, account)) {
          const owners = books.filter(({ binary, filename }) => [binary, filename].includes(record.document))
          for (const { positions } of owners) positions.push({ username, record })
        }
      })
    }
  })
  await print(flags.json, books, async () => (await Promise.all(books.map(describeBook))).join('\n'))
}

async function readBook(file: string): Promise<Identified> {
  try {
    return { ...(await hashBook(file)), positions: [] }
  } catch (error) {
    throw new CommandError(`Cannot read ${file}: ${(error as Error).message}`)
  }
}

async function describeBook({ positions, ...ids }: Identified): Promise<string> {
  if (positions.length === 0) return `${formatBookIds(ids)}No position in it.\n`
  const rows = positions.map(({ username, record }) => [username, ...rowOf(record).slice(1)])
  const byContent = positions.filter(({ record }) => record.document === ids.binary)
  const mismatches = byContent.flatMap(({ username, record }) => {
    const other = positions.find((each) => each.username === username && each.record.document === ids.filename)
    return other ? describeMismatches(username, [{ byContent: record, byFileName: other.record }]) : []
  })
  const shown = await table(['USER', 'DOCUMENT', 'AT', 'DEVICE', 'LAST SYNC'], rows)
  return formatBookIds(ids) + shown + mismatches.join('')
}
