import { Option, type Command } from 'commander'
import { CommandError, exitCodes } from '../command-error.ts'
import { kssCommand } from '../command-line.ts'
import { plain } from '../plain.ts'
import { checkName, findUser, hashPassword } from './accounts.ts'
import { examples, jsonCommand } from './define.ts'
import { readPassword, type PasswordFlags } from './password.ts'
import { defineQuota } from './quota.ts'
import { changeState, withState, type State, type StateFlags } from '../control/state.ts'
import type { Account } from '../store/store.ts'
import { confirm, print } from './terminal.ts'
import { listAccounts, orders, removeInactive, sizeLine, describeUse } from './user-summaries.ts'

/** `kss user add|list|passwd|rename|disable|enable|quota|allow-return|rm`. */
export function defineUser(program: Command): void {
  const user = program.command('user').description('manage accounts')
  withPassword(jsonCommand(user, 'add <name>', 'make an account, also while registration is closed'))
    .option('--admin', 'make it an operator’s')
    .addHelpText(
      'after',
      examples('kss user add alice --random', 'echo "$PASSWORD" | kss user add bob --password-stdin'),
    )
    .action(add)
  jsonCommand(user, 'list', 'show all accounts')
    .option('--inactive <time>', 'only those that have not pushed for so long: 90d, 1y')
    .addOption(new Option('--sort <column>', 'the order').choices(Object.keys(orders)).default('name'))
    .addHelpText('after', examples('kss user list', 'kss user list --inactive 1y --sort size', 'kss user list --json'))
    .action(listAccounts)
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
  jsonCommand(user, 'admin <name>', 'make an account an operator’s: it may use all of the web console')
    .option('--off', 'make it a reader’s again')
    .addHelpText('after', examples('kss user admin alice', 'kss user admin alice --off'))
    .action(setAdmin)
  defineQuota(user)
  jsonCommand(user, 'allow-return <name>', 'let the upstream bring back an account that was removed or renamed here')
    .addHelpText('after', examples('kss user allow-return alice'))
    .action(allowReturn)
  jsonCommand(user, 'rm [name]', 'remove an account with all its positions and history')
    .option('--inactive <time>', 'instead of one account, all that have not pushed for so long: 2y')
    .option('--yes', 'do not ask')
    .addHelpText('after', examples('kss user rm alice --yes', 'kss user rm --inactive 2y --yes'))
    .action(rm)
}

function withPassword(command: Command): Command {
  return command
    .option('--password-stdin', 'read the password from standard input')
    .option('--random', 'make a password up, and print it')
}

async function add(username: string, flags: StateFlags & PasswordFlags & { admin?: true }): Promise<void> {
  checkName(username)
  const create = { create: true }
  const taken = `The name ${username} is taken. kss user passwd gives it another password.`
  // Checked before the password prompt, although the name may still be taken meanwhile.
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
    ['user', 'add', username, ...(flags.admin ? ['--admin'] : [])],
    async (state) => {
      const isNew = await state.store.createUser({ username, key: await hashPassword(password, state.config) })
      if (!isNew) throw new CommandError(taken)
      if (flags.admin) await state.store.setAdmin((await findUser(state, username)).account, true)
    },
    create,
  )
  await tellPassword(flags, username, password, `${plain(username)} can log in now.`)
}

async function passwd(username: string, flags: StateFlags & PasswordFlags): Promise<void> {
  await withState(flags, (state) => findUser(state, username))
  const password = await readPassword(flags)
  await changeState(flags, ['user', 'passwd', username], async (state) => {
    const key = await hashPassword(password, state.config)
    const { account } = await findUser(state, username)
    await state.store.setKey(account, key)
  })
  await tellPassword(
    flags,
    username,
    password,
    `${plain(username)} has another password. Log in with it on each reader.`,
  )
}

async function tellPassword(
  { json, random }: StateFlags & PasswordFlags,
  username: string,
  password: string,
  done: string,
): Promise<void> {
  const shown = random ? { username, password } : { username }
  await print(json, shown, () => (random ? `Password: ${password}\n${done}\n` : `${done}\n`))
}

async function rename(username: string, to: string, flags: StateFlags): Promise<void> {
  checkName(to)
  await changeState(flags, ['user', 'rename', username, to], async (state) => {
    const account = await findRenamed(state, username)
    if (!(await state.store.renameUser(account, to)))
      throw new CommandError(`The name ${to} is taken. Nothing was changed.`)
  })
  await print(
    flags.json,
    { username: to, before: username },
    () => `${plain(username)} is ${to} now. Log in so on each reader.\n`,
  )
}

/** Also finds an account whose rename in a Redis cluster was interrupted: only renaming it again can complete that. */
async function findRenamed(state: State, username: string): Promise<Account> {
  try {
    return (await findUser(state, username)).account
  } catch (error) {
    const { account } = error as { account?: Account }
    if (account === undefined) throw error
    return account
  }
}

async function setDisabled(username: string, flags: StateFlags, disabled: boolean): Promise<void> {
  await changeState(flags, ['user', disabled ? 'disable' : 'enable', username], async (state) => {
    const { account } = await findUser(state, username)
    await state.store.setDisabled(account, disabled)
  })
  const what = disabled ? 'is disabled: readers get "Unauthorized"' : 'can log in again'
  await print(flags.json, { username, disabled }, () => `${plain(username)} ${what}.\n`)
}

async function setAdmin(username: string, flags: StateFlags & { off?: true }): Promise<void> {
  const admin = !flags.off
  await changeState(flags, ['user', 'admin', username, ...(admin ? [] : ['--off'])], async (state) => {
    const { account } = await findUser(state, username)
    await state.store.setAdmin(account, admin)
  })
  const what = admin ? 'is an operator now' : 'is no operator any more'
  await print(flags.json, { username, admin }, () => `${plain(username)} ${what}. Sign in to the console again.\n`)
}

async function rm(
  username: string | undefined,
  flags: StateFlags & { inactive?: string; yes?: boolean },
): Promise<void> {
  if ((username === undefined) === (flags.inactive === undefined)) {
    throw new CommandError('Pass an account, or --inactive and a duration.', exitCodes.usage)
  }
  if (username === undefined) return await removeInactive({ ...flags, inactive: flags.inactive! })
  // The folder is not locked during the prompt: a server that starts meanwhile would give up waiting.
  const { account, ...gone } = await withState(flags, async (state) => {
    const summary = await state.store.getSummary((await findUser(state, username)).account)
    return { ...describeUse(summary, state.config), account: summary.account }
  })
  await confirm(`Remove ${username} with ${sizeLine([gone])}?`, flags.yes)
  const { KSS_UPSTREAM: upstream } = await changeState(flags, ['user', 'rm', username], async ({ store, config }) => {
    await store.deleteUser(account)
    return config
  })
  const advice =
    upstream === ''
      ? ''
      : `${upstream} does not bring it back, unless you say: ${plain(kssCommand('user allow-return', username))}\n`
  await print(flags.json, gone, () => `${plain(username)} is gone, with ${sizeLine([gone])}.\n${advice}`)
}

async function allowReturn(username: string, flags: StateFlags): Promise<void> {
  await changeState(flags, ['user', 'allow-return', username], ({ store }) => store.setRemoved([username], false))
  await print(flags.json, { username }, () => `The upstream may bring back ${plain(username)} at the next log-in.\n`)
}
