import { basename, dirname, resolve } from 'node:path'
import type { Loaded } from './config.ts'

/** What a person types to run a command of this kss on the folder of this process. */
export type CommandLine = (command: string) => string

/** The command lines for the folder and the env file that these settings name, in whatever folder they are typed. */
export function commandLine(
  { config, sources }: Pick<Loaded, 'config' | 'sources'>,
  envFile?: string,
  script = process.argv[1]!,
): CommandLine {
  const flags: string[] = []
  if (sources['KSS_DIR'] !== undefined) flags.push('--dir', config.KSS_DIR)
  if (envFile !== undefined) flags.push('--env-file', resolve(envFile))
  return (command) => [program(script), command, ...flags.map(shellWord)].join(' ')
}

/** How kss was started, told from the path of its script: npm puts links to it into `.bin`, or into a folder of PATH. */
function program(script: string): string {
  const name = basename(script)
  // An executable of its own need not be in a folder of PATH.
  if (script === process.execPath) return shellWord(script)
  if (basename(dirname(script)) === '.bin') return `npx ${name}`
  return name.endsWith('.cjs') ? `node ${shellWord(script)}` : name
}

/** A command as a person types it: names come from strangers, and must reach kss as they are. */
export function kssCommand(command: string, ...operands: string[]): string {
  const words = operands.map(shellWord)
  // Otherwise kss would take it for an option.
  if (operands.some((word) => word.startsWith('-'))) words.unshift('--')
  return ['kss', command, ...words].join(' ')
}

/** The word as a POSIX shell takes it for one. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
