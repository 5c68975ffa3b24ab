import { Argument, type Command } from 'commander'
import pLimit from 'p-limit'
import { CommandError, exitCodes } from '../command-error.ts'
import { keyOfPassword } from '../kosync/credentials.ts'
import { SourceError, type ImportedDocument, type ImportedUser, type Source } from '../import/source.ts'
import { schemas } from '../import/sqlite-schemas.ts'
import { isHash } from '../accounts/key-hash.ts'
import { KeyHasher } from '../accounts/key-hasher.ts'
import type { MergedDocument } from '../store/store.ts'
import { removeAllTemps } from '../control/remove-temps.ts'
import { examples, jsonCommand } from './define.ts'
import { interruptible } from './interrupt.ts'
import { documentsAtOnce, mergeUser, newMerged, type MergedUser } from './merge-user.ts'
import { randomPassword } from '../accounts/random-password.ts'
import { readPassword } from './password.ts'
import type { StateStore } from '../control/state-store.ts'
import { changeState, type StateFlags } from '../control/state.ts'
import { plain } from '../plain.ts'
import { count, print, progressBar, table } from './terminal.ts'

interface ImportFlags extends StateFlags {
  dryRun?: boolean
  user?: string
  admin?: string
  passwordStdin?: boolean
}

/** The result of importing one user. */
interface ImportedAccount extends MergedUser {
  /** Generated for a new account when the other server does not give the key. */
  password?: string
}

/** What all users of an import share. */
interface Importer {
  store: StateStore
  hasher: KeyHasher
  show: (documents: number) => void
  /** Aborted when the import is interrupted; for a user also when another one has failed. */
  signal: AbortSignal
}

/** Users at a time: while one's key is hashed, another's files are written. */
const usersAtOnce = 4

const kinds = [
  'kss-python',
  'kosync-go',
  'koreader-sync-server',
  'users-json',
  'db-json',
  'kosync-dotnet',
  ...Object.keys(schemas),
]

/** `kss import`. */
export function defineImport(program: Command): void {
  jsonCommand(program, 'import', 'take over the accounts and positions of another server')
    .addArgument(new Argument('<kind>', 'what server it was').choices(kinds))
    .argument('<source>', 'its folder, file or address')
    .option('--dry-run', 'only tell what would come')
    .option('--user <name>', 'this account only')
    .option('--admin <name>', 'kosync-dotnet: who may read all accounts there')
    .option('--password-stdin', 'kosync-dotnet: read that one’s password from standard input')
    .addHelpText('after', '\ndocs/migrate.md has a section for each server.')
    .addHelpText(
      'after',
      examples(
        'kss import kss-python old --dry-run',
        'kss import users-json users.json',
        'kss import kss-python old --user ann',
      ),
    )
    .action(importFrom)
}

async function importFrom(kind: string, source: string, flags: ImportFlags): Promise<void> {
  const problems: string[] = []
  const imported: ImportedAccount[] = []
  const tell = async (): Promise<void> => {
    for (const problem of problems) console.error(`Not imported: ${plain(problem)}`)
    await print(flags.json, { users: imported, problems }, () => describe(imported, flags.dryRun))
  }
  try {
    const users = await collect(await openSource(kind, source, flags), flags.user, problems)
    if (flags.dryRun) imported.push(...users.map(countRows))
    else await importAll(kind, users, flags, imported)
    await tell()
    if (problems.length > 0) process.exitCode = exitCodes.failure
  } catch (error) {
    // Prints the generated passwords of the accounts so far: another import would not generate them again.
    if (imported.length > 0) await tell()
    if (error instanceof SourceError) throw new CommandError(error.message, exitCodes.failure, { cause: error })
    throw error
  }
}

/** Loads what reads the kind, and only that. */
async function openSource(kind: string, source: string, flags: ImportFlags): Promise<Source> {
  const schema = schemas[kind]
  if (schema) return (await import('../import/sqlite.ts')).readSqlite(source, schema)
  switch (kind) {
    case 'kss-python':
      return (await import('../import/kss-python.ts')).readKssPython(source)
    case 'kosync-go':
      return (await import('../import/kosync-go.ts')).readKosyncGo(source)
    case 'koreader-sync-server':
      return (await import('../import/koreader-sync-server.ts')).readKoreaderSyncServer(source)
    case 'users-json':
      return (await import('../import/users-json.ts')).readUsersJson(source)
    case 'db-json':
      return (await import('../import/db-json.ts')).readDbJson(source)
    default: {
      const { readKosyncDotnet } = await import('../import/kosync-dotnet.ts')
      if (flags.admin === undefined)
        throw new CommandError('Pass the name of the administrator with --admin NAME.', exitCodes.usage)
      return readKosyncDotnet(source, { username: flags.admin, password: await readPassword(flags) })
    }
  }
}

async function collect(source: Source, only: string | undefined, problems: string[]): Promise<ImportedUser[]> {
  const users: ImportedUser[] = []
  for await (const item of source) {
    // A problem without a user may concern the selected one.
    if (only !== undefined && item.username !== undefined && item.username !== only) continue
    if ('problem' in item) problems.push(item.problem)
    else users.push(item)
  }
  if (only !== undefined && users.length === 0) problems.push(`${only}: there is no such account`)
  return users
}

function countRows({ username, documents }: ImportedUser): ImportedAccount {
  const rows = documents.reduce((sum, document) => sum + document.rows.length, 0)
  return { username, isNew: true, documents: documents.length, latest: documents.length, rows }
}

/** Adds each imported account to `imported`, also if the import fails or is interrupted later. */
async function importAll(
  kind: string,
  users: ImportedUser[],
  flags: ImportFlags,
  imported: ImportedAccount[],
): Promise<void> {
  const total = users.reduce((sum, { documents }) => sum + documents.length, 0)
  const bar = progressBar('document')
  let done = 0
  const show = (documents: number): void => {
    done += documents
    bar(done, total)
  }
  await changeState(
    flags,
    // Logged without the source, whose address may contain a password.
    ['import', kind],
    async ({ store, config }) => {
      const hasher = new KeyHasher({ hashKeys: config.KSS_HASH_KEYS, scryptCost: config.KSS_SCRYPT_COST })
      const work = (signal: AbortSignal): Promise<void> => importUsers({ store, hasher, show, signal }, users, imported)
      await interruptible(work, () => {
        return `Interrupted. ${count(imported.length, 'account')} came; the same command brings the rest.`
      })
    },
    // Removes the temporary files of a killed import.
    { create: true, beforeOpen: (dir) => removeAllTemps(dir, performance.timeOrigin) },
  )
}

async function importUsers(importer: Importer, users: ImportedUser[], imported: ImportedAccount[]): Promise<void> {
  const failed = new AbortController()
  const signal = AbortSignal.any([importer.signal, failed.signal])
  await pLimit(usersAtOnce).map(users, async (user) => {
    if (signal.aborted) return
    const account: ImportedAccount = newMerged(user.username)
    imported.push(account)
    // Thrown after all workers have ended, so that the store is not closed before.
    await importOne({ ...importer, signal }, user, account).catch((error: unknown) => {
      if (!account.isNew && account.documents === 0) imported.splice(imported.indexOf(account), 1)
      failed.abort(error)
    })
  })
  signal.throwIfAborted()
}

/** Updates `account` as the import proceeds. */
async function importOne(
  { store, hasher, show, signal }: Importer,
  { username, key, documents }: ImportedUser,
  account: ImportedAccount,
): Promise<void> {
  const password = key === undefined ? randomPassword() : undefined
  // An account that exists keeps its key, so that no hash is needed.
  const isThere = (await store.getUser(username)) !== undefined
  const stored = isThere ? undefined : await toStored(key ?? keyOfPassword(password!), hasher)
  const user = { username, key: stored, ...(password !== undefined && { disabled: true as const }) }
  try {
    await mergeUser(store, user, chunks(documents, show, signal), account)
  } finally {
    if (password !== undefined && account.isNew) account.password = password
  }
}

/** A hash of another server is checked as it is at the first log-in, and replaced then. */
async function toStored(key: string, hasher: KeyHasher): Promise<string> {
  return isHash(key) ? key : await hasher.hash(key, Infinity)
}

function* chunks(
  documents: ImportedDocument[],
  show: (documents: number) => void,
  signal: AbortSignal,
): Generator<MergedDocument[]> {
  for (let at = 0; at < documents.length; at += documentsAtOnce) {
    signal.throwIfAborted()
    const some = documents.slice(at, at + documentsAtOnce)
    yield some.map(({ rows, title }) => {
      const sorted = rows.toSorted((one, other) => one.timestamp - other.timestamp)
      return { rows: sorted, ...(title !== undefined && { title }) }
    })
    show(some.length)
  }
}

async function describe(accounts: ImportedAccount[], dryRun: boolean | undefined): Promise<string> {
  const documents = count(
    accounts.reduce((sum, account) => sum + account.documents, 0),
    'document',
  )
  const sum = `${count(accounts.length, 'account')} with ${documents}`
  if (dryRun) {
    const rows = accounts.map((account) => [account.username, `${account.documents}`, `${account.rows}`])
    return `${await table(['NAME', 'DOCUMENTS', 'POSITIONS'], rows)}${sum} would come. Nothing was changed.\n`
  }
  const rows = accounts.map((account) => {
    const { username, isNew, latest, rows: added, password } = account
    const how = isNew ? 'new' : 'was there'
    return [username, how, `${account.documents}`, `${latest}`, `${added}`, password ? `${password} (disabled)` : '']
  })
  const head = ['NAME', 'ACCOUNT', 'DOCUMENTS', 'NEWER THAN HERE', 'CHANGES ADDED', 'PASSWORD']
  const advice = accounts.some(({ password }) => password !== undefined)
    ? 'Tell those with a password what it is, then let them in: kss user enable NAME.\n'
    : ''
  return `${await table(head, rows)}${sum} came.\n${advice}`
}
