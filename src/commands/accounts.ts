import { CommandError, exitCodes } from '../command-error.ts'
import type { Config } from '../config.ts'
import { keyOfPassword, trimBlanks } from '../kosync/credentials.ts'
import { KeyHasher } from '../accounts/key-hasher.ts'
import { username as nameSchema } from '../kosync/protocol.ts'
import { readRecords, type StoredRecord } from '../store/file-store/files/folder-reader.ts'
import type { StoredUser } from '../store/file-store/files/auth-file.ts'
import { eachStoredUser, listUserFolders } from '../store/file-store/files/list-users.ts'
import { UserFiles } from '../store/file-store/user-files.ts'
import { plain } from '../plain.ts'
import type { State } from '../control/state.ts'

/** The user and the folder; throws CommandError when there is none. */
export async function findUser({ dir, store }: State, username: string): Promise<StoredUser> {
  const user = await new UserFiles(dir).find(username)
  // The account as the server knows it: its id may not be in the file yet.
  const known = user && (await store.getUser(username))
  if (known) return { ...user, account: known.account }
  throw new CommandError(`There is no user ${username}. See: kss user list`)
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

/** The records of a user as they are now: what was pushed is in the files. */
export async function readUserRecords(state: State, username: string): Promise<StoredRecord[]> {
  const { folder } = await findUser(state, username)
  await state.store.flush()
  return readRecords(folder)
}

/**
 * All users, in the order of their names, a few at a time; tells of each account that cannot be read. What was pushed
 * so far is in their files. `show` is told how far it is.
 */
export async function* eachUser(
  { dir, store }: State,
  show: (done: number, total: number) => void = () => undefined,
): AsyncGenerator<StoredUser> {
  await store.flush()
  const folders = await listUserFolders(dir)
  let done = 0
  for await (const user of eachStoredUser(dir, folders, (error) => tellDamage(`Left out: ${error.message}`))) {
    if (user) yield user
    done += 1
    show(done, folders.length)
  }
}

/** The one user, or all when none is named. Throws CommandError when there is no such user. */
export async function* usersOf(
  state: State,
  username: string | undefined,
  show?: (done: number, total: number) => void,
): AsyncGenerator<StoredUser> {
  if (username === undefined) yield* eachUser(state, show)
  else yield await findUser(state, username)
}

/** Tells of a file that cannot be read while the command goes on with the others: the exit code says so too. */
export function tellDamage(message: string): void {
  console.error(plain(`${message}. kss check tells more.`))
  process.exitCode = exitCodes.damaged
}

/** For readRecords: tells of a record that is not as it was pushed. */
export function tellDamagedRecord(error: unknown): void {
  tellDamage(`Damaged: ${(error as Error).message}`)
}
