import type { Command } from 'commander'
import { CommandError } from '../command-error.ts'
import { plain } from '../plain.ts'
import { readRecords, sizeOf } from '../store/folder-reader.ts'
import type { StoredUser } from '../store/auth-file.ts'
import { checkName, findUser, hashPassword, listUsers, tellDamage, tellDamagedRecord } from './accounts.ts'
import { examples, jsonCommand } from './define.ts'
import { readPassword, type PasswordFlags } from './password.ts'
import { changeState, withState, type StateFlags } from './state.ts'
import { confirm, count, formatBytes, formatTime, print, progressBar, table } from './terminal.ts'

/** What an operator sees of a user. */
export interface UserSummary {
  username: string
  disabled: boolean
  documents: number
  /** Those that made the latest positions. */
  devices: number
  /** Seconds since 1970 of the last push; null when there was none. */
  last_sync: number | null
  /** On the disk. */
  bytes: number
}

/** `kss user add|list|passwd|rename|disable|enable|rm`. */
export function defineUser(program: Command): void {
  const user = program.command('user').description('manage accounts')
  withPassword(jsonCommand(user, 'add <name>', 'make an account, also while registration is closed'))
    .addHelpText(
      'after',
      examples('kss user add alice --random', 'echo "$PASSWORD" | kss user add bob --password-stdin'),
    )
    .action(add)
  jsonCommand(user, 'list', 'show all accounts')
    .addHelpText('after', examples('kss user list', 'kss user list --json'))
    .action(list)
  withPassword(jsonCommand(user, 'passwd <name>', 'give an account another password'))
    .addHelpText('after', examples('kss user passwd alice --random'))
    .action(passwd)
  jsonCommand(user, 'rename <name> <new-name>', 'give an account another name; positions and password stay')
    .addHelpText('after', examples('kss user rename alice alicia'))
    .action(rename)
  jsonCommand(user, 'disable <name>', 'refuse the log-ins of an account; nothing is removed')
    .addHelpText('after', examples('kss user disable alice'))
    .action((name: string, flags: StateFlags) => setDisabled(name, flags, true))
  jsonCommand(user, 'enable <name>', 'take the log-ins of a disabled account again')
    .addHelpText('after', examples('kss user enable alice'))
    .action((name: string, flags: StateFlags) => setDisabled(name, flags, false))
  jsonCommand(user, 'allow-return <name>', 'let the upstream bring back an account that was removed or renamed here')
    .addHelpText('after', examples('kss user allow-return alice'))
    .action(allowReturn)
  jsonCommand(user, 'rm <name>', 'remove an account with all its positions and history')
    .option('--yes', 'do not ask')
    .addHelpText('after', examples('kss user rm alice --yes'))
    .action(rm)
}

function withPassword(command: Command): Command {
  return command
    .option('--password-stdin', 'read the password from standard input')
    .option('--random', 'make a password up, and print it')
}

async function add(username: string, flags: StateFlags & PasswordFlags): Promise<void> {
  checkName(username)
  const create = { create: true }
  const taken = `The name ${username} is taken. kss user passwd gives it another password.`
  // Before a person thinks of a password; another one may get the name meanwhile all the same.
  await withState(
    flags,
    async ({ store }) => {
      if (await store.getUser(username)) throw new CommandError(taken)
    },
    create,
  )
  const password = await readPassword(flags)
  await changeState(
    flags,
    ['user', 'add', username],
    async ({ config, store }) => {
      const isNew = await store.createUser({ username, key: await hashPassword(password, config) })
      if (!isNew) throw new CommandError(taken)
    },
    create,
  )
  tellPassword(flags, username, password, `${plain(username)} can log in now.`)
}

async function passwd(username: string, flags: StateFlags & PasswordFlags): Promise<void> {
  await withState(flags, (state) => findUser(state, username))
  const password = await readPassword(flags)
  await changeState(flags, ['user', 'passwd', username], async (state) => {
    const key = await hashPassword(password, state.config)
    const { account } = await findUser(state, username)
    await state.store.setKey(account, key)
  })
  tellPassword(flags, username, password, `${plain(username)} has another password. Log in with it on each reader.`)
}

function tellPassword(
  { json, random }: StateFlags & PasswordFlags,
  username: string,
  password: string,
  done: string,
): void {
  const shown = random ? { username, password } : { username }
  print(json, shown, () => (random ? `Password: ${password}\n${done}\n` : `${done}\n`))
}

async function list(flags: StateFlags): Promise<void> {
  const users = await withState(flags, async (state) => {
    const stored = await listUsers(state)
    const show = progressBar('user')
    const summaries: UserSummary[] = []
    for (const [at, user] of stored.entries()) {
      try {
        summaries.push(summarize(user, tellDamagedRecord))
      } catch (error) {
        tellDamage(`Left out: ${user.username}: ${(error as Error).message}`)
      }
      show(at + 1, stored.length)
    }
    return summaries
  })
  print(flags.json, users, () => {
    if (users.length === 0) return 'There is nobody yet. kss user add NAME makes an account.\n'
    const head = ['NAME', 'DOCUMENTS', 'DEVICES', 'LAST SYNC', 'SIZE', '']
    return table(
      head,
      users.map(({ username, documents, devices, last_sync, bytes, disabled }) => {
        const last = last_sync === null ? 'never' : formatTime(last_sync)
        return [username, `${documents}`, `${devices}`, last, formatBytes(bytes), disabled ? 'disabled' : '']
      }),
    )
  })
}

/** Reads what the user's folder holds; `onDamage` is told of a record that cannot be read. */
export function summarize(
  { username, disabled, folder }: StoredUser,
  onDamage: (error: unknown) => void = () => undefined,
): UserSummary {
  const records = readRecords(folder, onDamage).map(({ record }) => record)
  const times = records.map(({ timestamp }) => timestamp)
  return {
    username,
    disabled: disabled ?? false,
    documents: records.length,
    devices: new Set(records.map(({ device, device_id }) => device_id ?? device)).size,
    last_sync: times.length > 0 ? times.reduce((one, other) => Math.max(one, other)) : null,
    bytes: sizeOf(folder),
  }
}

async function rename(username: string, to: string, flags: StateFlags): Promise<void> {
  checkName(to)
  await changeState(flags, ['user', 'rename', username, to], async (state) => {
    await findUser(state, username)
    const result = await state.store.renameUser(username, to)
    if (result !== 'renamed') throw new CommandError(`The name ${to} is taken. Nothing was changed.`)
  })
  print(
    flags.json,
    { username: to, before: username },
    () => `${plain(username)} is ${to} now. Log in so on each reader.\n`,
  )
}

async function setDisabled(username: string, flags: StateFlags, disabled: boolean): Promise<void> {
  await changeState(flags, ['user', disabled ? 'disable' : 'enable', username], async (state) => {
    await findUser(state, username)
    await state.store.setDisabled(username, disabled)
  })
  const what = disabled ? 'is disabled: readers get "Unauthorized"' : 'can log in again'
  print(flags.json, { username, disabled }, () => `${plain(username)} ${what}.\n`)
}

async function rm(username: string, flags: StateFlags & { yes?: boolean }): Promise<void> {
  // The folder is not held while a person thinks: a server that starts meanwhile would not wait so long.
  const { account, ...gone } = await withState(flags, async (state) => {
    const user = await findUser(state, username)
    await state.store.flush()
    return { ...summarize(user), account: user.account }
  })
  await confirm(`Remove ${username} with ${sizeLine(gone)}?`, flags.yes)
  const { KSS_UPSTREAM: upstream } = await changeState(flags, ['user', 'rm', username], async ({ store, config }) => {
    await store.deleteUser(account)
    return config
  })
  const advice =
    upstream === ''
      ? ''
      : `${upstream} does not bring it back, unless you say: kss user allow-return ${plain(username)}\n`
  print(flags.json, gone, () => `${plain(username)} is gone, with ${sizeLine(gone)}.\n${advice}`)
}

async function allowReturn(username: string, flags: StateFlags): Promise<void> {
  await changeState(flags, ['user', 'allow-return', username], ({ store }) => store.allowReturn(username))
  print(flags.json, { username }, () => `The upstream may bring back ${plain(username)} at the next log-in.\n`)
}

function sizeLine({ documents, bytes }: UserSummary): string {
  return `${count(documents, 'document')} and ${formatBytes(bytes)}`
}
