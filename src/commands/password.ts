import { text } from 'node:stream/consumers'
import { randomPassword } from '../accounts/random-password.ts'
import { CommandError, exitCodes } from '../command-error.ts'
import { ask, type Terminal } from './terminal.ts'

export interface PasswordFlags {
  passwordStdin?: boolean
  random?: boolean
}

/** A new password: from standard input, made up, or from a prompt that does not show it. Throws CommandError. */
export async function readPassword(
  { passwordStdin, random }: PasswordFlags,
  terminal: Terminal = process,
): Promise<string> {
  if (passwordStdin && random) throw usage('Pass --password-stdin or --random, not both.')
  if (random) return randomPassword()
  if (passwordStdin) return check((await text(terminal.stdin)).replace(/\r?\n$/, ''))
  if (!terminal.stdin.isTTY) throw usage('Not a terminal. Pass --password-stdin or --random.')
  const password = check(await ask({ prompt: 'Password: ', silent: true }, terminal))
  if ((await ask({ prompt: 'Again: ', silent: true }, terminal)) !== password) throw usage('The passwords differ.')
  return password
}

function check(password: string): string {
  if (password === '') throw usage('The password is empty.')
  return password
}

function usage(message: string): CommandError {
  return new CommandError(message, exitCodes.usage)
}
