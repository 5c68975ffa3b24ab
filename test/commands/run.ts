import { Command, CommanderError } from 'commander'
import { CommandError } from '../../src/command-error.ts'
import { defineOperatorCommands } from '../../src/commands/operator-commands.ts'
import { ConfigError } from '../../src/config.ts'
import { plain, plainLines } from '../../src/plain.ts'
import type { Ended } from './kss.ts'

/** All commands of an operator, as `kss` defines them; what commander says goes to `write`. */
export async function operatorCommands(write: (text: string) => void): Promise<Command> {
  const program = new Command('kss').exitOverride().configureOutput({ writeOut: write, writeErr: write })
  await defineOperatorCommands(program, undefined)
  return program
}

/** Runs a command as `kss` does, but in this process: that is quicker. One at a time. */
export async function run(dir: string, ...args: string[]): Promise<Ended> {
  const ended = { code: 0, stdout: '', stderr: '' }
  const write = process.stdout.write.bind(process.stdout)
  const { error: tell } = console
  const program = await operatorCommands((text) => (ended.stderr += text))
  for (const name of Object.keys(process.env)) if (name.startsWith('KSS_')) delete process.env[name]
  // A flag, unlike a variable, is refused where the accounts are on a Redis.
  process.env['KSS_DIR'] = dir
  process.stdout.write = (text: unknown) => Boolean((ended.stdout += String(text)))
  console.error = (line: unknown) => (ended.stderr += `${String(line)}\n`)
  try {
    await program.parseAsync(args, { from: 'user' })
    ended.code = Number(process.exitCode ?? 0)
  } catch (error) {
    if (!(error instanceof CommandError || error instanceof ConfigError || error instanceof CommanderError)) throw error
    if (!(error instanceof CommanderError))
      ended.stderr += `${(error instanceof ConfigError ? plainLines : plain)(error.message)}\n`
    ended.code = error instanceof CommandError ? error.exitCode : 2
  } finally {
    process.stdout.write = write
    console.error = tell
    process.exitCode = undefined
    delete process.env['KSS_DIR']
  }
  return ended
}

/** Runs a command that must succeed; resolves to the JSON that it prints. */
export async function runJson<T = unknown>(dir: string, ...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await run(dir, ...args, '--json')
  if (code !== 0) throw new Error(`kss ${args.join(' ')} ended with ${code}: ${stderr}`)
  return JSON.parse(stdout) as T
}
