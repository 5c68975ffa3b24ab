import { CommandError, exitCodes } from '../command-error.ts'
import type { Config } from '../config.ts'
import { keyOfPassword, trimBlanks } from '../kosync/credentials.ts'
import { KeyHasher } from '../accounts/key-hasher.ts'
import { username as nameSchema, type Progress } from '../kosync/protocol.ts'
import { plain } from '../plain.ts'
import { hasCode } from '../error-code.ts'
import { eachPage } from '../store/pages.ts'
import type { Account, ExportedDocument, User } from '../store/store.ts'
import type { State } from '../control/state.ts'

/** Throws CommandError when there is no such user. */
export async function findUser({ store }: State, username: string): Promise<User> {
  const user = await store.getUser(username)
  if (user) return user
  throw new CommandError(`There is no user ${username}. See: kss user list`)
}

export async function hasUsers(store: Pick<State['store'], 'listUsers'>): Promise<boolean> {
  for await (const { users } of eachPage((cursor) => store.listUsers(cursor, 1))) if (users.length > 0) return true
  return false
}

/** What is stored of a password that a person types. @see PROTOCOL.md §1 */
export async function hashPassword(password: string, config: Config): Promise<string> {
  const hasher = new KeyHasher({ hashKeys: config.KSS_HASH_KEYS, scryptCost: config.KSS_SCRYPT_COST })
  return await hasher.hash(keyOfPassword(password), Infinity)
}

/** Throws CommandError unless a reader can register the name, and log in with it. */
export function checkName(username: string): void {
  const isValid =
    username.length <= nameSchema.maxLength &&
    new RegExp(nameSchema.pattern, 'u').test(username) &&
    trimBlanks(username) === username
  if (isValid) return
  throw new CommandError(
    `"${username}" can be no user name: no colon, no control character, no blank at an end, 1 to 255 characters.`,
    exitCodes.usage,
  )
}

/** The records of an account as they are now; `onDamage` is told of each that cannot be read. */
export async function readRecords(
  { store }: State,
  account: Account,
  onDamage: (problem: string) => void = () => undefined,
): Promise<Progress[]> {
  const records: Progress[] = []
  for await (const { documents, problems } of eachPage((cursor) => store.listDocuments(account, cursor))) {
    problems.forEach(onDamage)
    records.push(...documents)
  }
  return records
}

/** The documents of an account with their histories; `onDamage` is told of each record that cannot be read. */
export async function* exportDocuments(
  { store }: { store: Pick<State['store'], 'exportAccount'> },
  account: Account,
  onDamage: (problem: string) => void,
): AsyncGenerator<ExportedDocument> {
  for await (const { documents, problems } of eachPage((cursor) => store.exportAccount(account, cursor))) {
    problems.forEach(onDamage)
    yield* documents
  }
}

/** Shows the progress of a command. */
export type Show = (done: number, total: number) => void

interface ListPage<T> {
  items: T[]
  damaged: string[]
  total: number
  next?: string
}

/** Yields the items of all pages, and reports each account that cannot be read. */
export async function* eachItem<T>(pages: AsyncIterable<ListPage<T>>, show: Show): AsyncGenerator<T> {
  let done = 0
  for await (const { items, damaged, total, next } of pages) {
    for (const problem of damaged) tellDamage(`Left out: ${problem}`)
    for (const item of items) {
      yield item
      // The total counts all folders, and some belong to no account.
      show(Math.min((done += 1), total - 1), total)
    }
    done += damaged.length
    if (next === undefined && total > 0) show(total, total)
  }
}

/** The one user, or all when none is named, in the order of their names. Throws CommandError when there is no such user. */
export async function* usersOf(
  state: State,
  username: string | undefined,
  show: Show = () => undefined,
): AsyncGenerator<User> {
  if (username !== undefined) {
    yield await findUser(state, username)
    return
  }
  const read = async (cursor?: string): Promise<ListPage<User>> => {
    const { users, ...page } = await state.store.listUsers(cursor)
    return { ...page, items: users }
  }
  yield* eachItem(eachPage(read), show)
}

/** Does the work for an account of a list, unless the account was deleted, renamed or replaced meanwhile. */
export async function unlessGone(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!hasCode(error, 'STALE_ACCOUNT')) throw error
  }
}

/** Tells of a file that cannot be read while the command goes on with the others: the exit code says so too. */
export function tellDamage(message: string): void {
  console.error(plain(`${message}. kss check tells more.`))
  process.exitCode = exitCodes.damaged
}

/** Whether a command has told of damage: then it cannot say that there is nothing. */
export function hasToldDamage(): boolean {
  return process.exitCode === exitCodes.damaged
}

/** Tells of a record that is not as it was pushed. */
export function tellDamagedRecord(problem: string): void {
  tellDamage(`Damaged: ${problem}`)
}
