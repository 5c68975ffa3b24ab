import type { Command } from 'commander'
import { CommandError, exitCodes } from '../command-error.ts'
import { ConfigError, loadConfig, settings, type Config, type Values } from '../config.ts'
import { examples, serveSettings } from './define.ts'
import { print, table } from './terminal.ts'

type Flags = Record<string, string | boolean>

/** `kss config`. */
export function defineConfig(program: Command): void {
  serveSettings(program.command('config').description('show the settings that `kss serve` with the same flags has'))
    .option('--check', 'only tell what is wrong with them: exit code 0 or 2')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('kss config', 'kss config --port 9000', 'kss config --check'))
    .action(config)
}

/** The settings as flags, variables and the env file give them. Throws ConfigError. */
export function readConfig({ envFile, ...flags }: Flags): ReturnType<typeof loadConfig> {
  const values: Values = {}
  for (const [flag, value] of Object.entries(flags)) {
    // Commander names flags in camelCase: `basePath` is --base-path and KSS_BASE_PATH.
    const words = flag.split(/(?=[A-Z])/)
    const typed = words.join('-').toLowerCase()
    if (value === '') throw new ConfigError(`error: --${typed} is empty\n(kss help explains the commands)`)
    values[`KSS_${words.join('_').toUpperCase()}`] = value
  }
  return loadConfig(values, envFile === undefined ? undefined : String(envFile))
}

function config({ check, json, ...flags }: Flags): void {
  const { config: effective, warnings, sources } = readConfig(flags)
  for (const warning of warnings) console.error(warning)
  if (check) {
    if (warnings.length > 0) throw new CommandError('The settings are not as they should be.', exitCodes.usage)
    print(Boolean(json), { ok: true }, () => 'The settings are fine.\n')
    return
  }
  const shown = Object.keys(settings.properties).map((name) => ({
    name,
    value: effective[name as keyof Config] as unknown,
    source: sources[name] ?? 'default',
  }))
  print(Boolean(json), shown, () =>
    table(
      ['SETTING', 'VALUE', 'FROM'],
      shown.map(({ name, value, source }) => [name, Array.isArray(value) ? value.join(',') : String(value), source]),
    ),
  )
}
