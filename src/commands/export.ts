import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Option, type Command } from 'commander'
import { CommandError, exitCodes } from '../command-error.ts'
import { isHash } from '../accounts/key-hash.ts'
import { backupFiles, streamArchive, writeArchive, writeWhole, type ArchivedFile } from '../backup/backup.ts'
import { hasCode } from '../error-code.ts'
import { plain } from '../plain.ts'
import type { ExportedDocument, User } from '../store/store.ts'
import { exportDocuments, findUser, tellDamagedRecord, usersOf } from './accounts.ts'
import { examples, stateCommand } from './define.ts'
import { checkOutput } from './output-file.ts'
import { archiveOf } from '../export/archive.ts'
import { csvOf, withByteOrderMark, type DocumentOf } from '../export/csv.ts'
import { isFolder, withState, type State, type StateFlags } from '../control/state.ts'
import { progressBar } from './terminal.ts'

interface ExportFlags extends Omit<StateFlags, 'json'> {
  all?: boolean
  format: 'kss' | 'csv' | 'kss-python'
  output?: string
}

/** `kss export`. */
export function defineExport(program: Command): void {
  stateCommand(program, 'export [user]', 'write all that is known of one account, or of all, with the history')
    .option('--all', 'all accounts')
    .addOption(
      new Option('--format <format>', 'kss: an archive for kss backup restore --merge; csv: for spreadsheets')
        .choices(['kss', 'csv', 'kss-python'])
        .default('kss'),
    )
    .option('-o, --output <file>', 'where to; - or nothing is standard output')
    .addHelpText('after', examples('kss export alice > alice.tar.gz', 'kss export --all --format csv -o positions.csv'))
    .action(exportUsers)
}

async function exportUsers(username: string | undefined, { output: said, ...flags }: ExportFlags): Promise<void> {
  const output = said === '-' ? undefined : said
  if ((username === undefined) !== (flags.all ?? false)) {
    throw new CommandError('Pass an account, or --all.', exitCodes.usage)
  }
  if (flags.format !== 'csv' && output === undefined && process.stdout.isTTY) {
    throw new CommandError('An archive cannot be written to a terminal. Pass a file with -o FILE.', exitCodes.usage)
  }
  await withState(flags, async (state) => {
    if (username !== undefined) await findUser(state, username)
    if (output !== undefined) await checkOutput(output)
    if (!(await state.store.flush()))
      throw new CommandError('Some positions are not in their files yet. Try again; see the log.')
    const users = usersOf(state, username, progressBar('user'))
    if (flags.format === 'csv') await writeText(csvOf(documentsOf(state, users)), output)
    else await writeFiles(flags.format === 'kss' ? kssFiles(state, users) : pythonFiles(state, users), output)
  })
}

async function* documentsOf(state: State, users: AsyncIterable<User>): AsyncGenerator<DocumentOf> {
  for await (const user of users) {
    for await (const document of documentsOfUser(state, user)) yield { username: user.username, ...document }
  }
}

/** Yields the documents of a user; ends early if the account is deleted meanwhile. */
export async function* documentsOfUser(
  state: Parameters<typeof exportDocuments>[0],
  { account }: Pick<User, 'account'>,
): AsyncGenerator<ExportedDocument> {
  try {
    yield* exportDocuments(state, account, tellDamagedRecord)
  } catch (error) {
    if (!hasCode(error, 'STALE_ACCOUNT')) throw error
  }
}

async function writeText(lines: AsyncIterable<string>, output: string | undefined): Promise<void> {
  const source = Readable.from(
    output === undefined && process.stdout.isTTY ? plainRecords(lines) : withByteOrderMark(lines),
  )
  if (output === undefined) {
    await pipeline(source, process.stdout, { end: false }).catch((error: unknown) => {
      // The process that reads the pipe has ended, such as head.
      if (!hasCode(error, 'EPIPE')) throw error
    })
  } else await writeWhole(output, (out) => pipeline(source, out))
}

/** Removes control characters for a terminal; a file gets what the readers sent. */
async function* plainRecords(records: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const record of records) yield `${plain(record.trimEnd())}\n`
}

async function writeFiles(files: AsyncIterable<ArchivedFile>, output: string | undefined): Promise<void> {
  await (output === undefined ? streamArchive(files, process.stdout) : writeArchive(files, output))
}

function kssFiles(state: State, users: AsyncIterable<User>): AsyncIterable<ArchivedFile> {
  if (isFolder(state)) return backupFiles(state.dir, undefined, foldersOf(users))
  return archiveOf(users, (user) => documentsOfUser(state, user))
}

async function* foldersOf(users: AsyncIterable<User>): AsyncGenerator<string> {
  for await (const { account } of users) yield account.folder
}

/** The records in the layout of Python kss, under their raw names, without those that would leave the folder. */
async function* pythonFiles(state: State, users: AsyncIterable<User>): AsyncGenerator<ArchivedFile> {
  for await (const user of users) {
    const { username, key } = user
    if (!isFileName(username)) {
      tellLeftOut(`${username}, which is no folder name`)
      continue
    }
    const files = new Map<string, object>()
    // If auth.json contained the hash, Python kss would refuse to register the name, and use the text of the hash as the key.
    if (isHash(key))
      console.error(
        `${plain(username)} comes without its password: Python kss cannot check a hashed key. Register the name again there.`,
      )
    else files.set('auth', { 'x-auth-user': username, 'x-auth-key': key })
    for await (const { record } of documentsOfUser(state, user)) {
      const { document, progress, percentage, device, device_id, timestamp } = record
      if (document === 'auth' || !isFileName(document)) tellLeftOut(`${document}, which is no file name`)
      else files.set(document, { document, progress, percentage, device, device_id, timestamp })
    }
    for (const [name, content] of files) {
      const bytes = Buffer.from(JSON.stringify(content))
      yield { name: `${username}/${name}.json`, bytes, mtime: new Date() }
    }
  }
}

/** Reports what the archive lacks, and sets the exit code. */
function tellLeftOut(what: string): void {
  console.error(plain(`Left out: ${what}.`))
  process.exitCode = exitCodes.damaged
}

/** With `.json` after it a name has 255 bytes at most. */
function isFileName(name: string): boolean {
  return !/^\.|[/\\\0]/.test(name) && Buffer.byteLength(name) <= 250
}
