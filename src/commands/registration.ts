import type { Command } from 'commander'
import { CommandError } from '../command-error.ts'
import { plain } from '../plain.ts'
import { isRegistrationOpen } from '../accounts/registration.ts'
import type { Registration } from '../store/store.ts'
import { checkName } from './accounts.ts'
import { examples, jsonCommand } from './define.ts'
import { changeState, withState, type State, type StateFlags } from '../control/state.ts'
import { formatTime, print } from './terminal.ts'
import { parseDuration } from './time.ts'

/** Whether registration is open, and for whom. */
interface Status {
  open: boolean
  /** The end of open registration, in seconds since 1970; null when there is none. */
  until: number | null
  invited: string[]
}

/** `kss registration open|close|status`. */
export function defineRegistration(program: Command): void {
  const registration = program.command('registration').description('let people sign up, or not, without a restart')
  jsonCommand(registration, 'open', 'let anybody make an account')
    .option('--for <time>', 'close it again after that time, as 10m, 2h or 1d')
    .addHelpText('after', examples('kss registration open --for 10m', 'kss registration open'))
    .action(open)
  jsonCommand(registration, 'close', 'let nobody make an account but who is invited; a restart does not open it')
    .addHelpText('after', examples('kss registration close'))
    .action(close)
  jsonCommand(registration, 'status', 'show whether registration is open, and who is invited')
    .addHelpText('after', examples('kss registration status'))
    .action(status)
}

/** `kss invite`. */
export function defineInvite(program: Command): void {
  jsonCommand(program, 'invite <name>', 'let a name register once, also while registration is closed')
    .option('--cancel', 'take the invitation back')
    .addHelpText('after', examples('kss invite alice', 'kss invite --cancel alice'))
    .action(invite)
}

async function open(flags: StateFlags & { for?: string }): Promise<void> {
  const seconds = flags.for === undefined ? undefined : parseDuration(flags.for)
  const until = seconds === undefined ? undefined : Math.floor(Date.now() / 1000) + seconds
  const words = ['registration', 'open', ...(flags.for === undefined ? [] : ['--for', flags.for])]
  await setAndShow(flags, words, { open: true, ...(until !== undefined && { until }) })
}

async function close(flags: StateFlags): Promise<void> {
  await setAndShow(flags, ['registration', 'close'], { open: false })
}

async function setAndShow(
  flags: StateFlags,
  words: string[],
  said: Pick<Registration, 'open' | 'until'>,
): Promise<void> {
  const now = await changeState(flags, words, async (state) => {
    await state.store.setRegistration(said)
    return await readStatus(state)
  })
  await print(flags.json, now, () => describe(now))
}

async function status(flags: StateFlags): Promise<void> {
  const now = await withState(flags, readStatus)
  await print(flags.json, now, () => describe(now))
}

async function readStatus({ store, server, config }: State): Promise<Status> {
  const said = await store.getRegistration()
  const disabled = server ? server['disableRegistration'] === true : config.KSS_DISABLE_REGISTRATION
  const isOpen = isRegistrationOpen(said, disabled, Date.now())
  return { open: isOpen, until: isOpen ? (said.until ?? null) : null, invited: said.invited }
}

function describe({ open: isOpen, until, invited }: Status): string {
  const end = until === null ? '' : ` until ${formatTime(until)}`
  const names = invited.length > 0 ? `Invited: ${invited.map(plain).join(', ')}\n` : ''
  return `Registration is ${isOpen ? `open${end}` : 'closed'}.\n${names}`
}

async function invite(username: string, flags: StateFlags & { cancel?: boolean }): Promise<void> {
  checkName(username)
  const isInvited = !flags.cancel
  await changeState(flags, ['invite', ...(isInvited ? [] : ['--cancel']), username], async ({ store }) => {
    if (isInvited && (await store.getUser(username))) throw new CommandError(`${username} has an account already.`)
    await store.setInvited(username, isInvited)
  })
  await print(flags.json, { username, invited: isInvited }, () =>
    isInvited
      ? `${username} can register now, once, with a password of their own choice.\n`
      : `${username} is not invited any more.\n`,
  )
}
