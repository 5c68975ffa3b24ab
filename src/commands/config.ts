import type { Command } from 'commander'
import { CommandError, exitCodes } from '../command-error.ts'
import { plain } from '../plain.ts'
import { readBridge } from './bridge.ts'
import { examples, serveSettings } from './define.ts'
import { formatSetting, listSettings } from './effective-settings.ts'
import { readConfig, type Flags } from './read-config.ts'
import { print, table } from './terminal.ts'

/** `kss config`. */
export function defineConfig(program: Command): void {
  serveSettings(program.command('config').description('show the settings that `kss serve` with the same flags has'))
    .option('--check', 'only tell what is wrong with them: exit code 0 or 2')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('kss config', 'kss config --port 9000', 'kss config --check'))
    .action(config)
}

async function config({ check, json, ...flags }: Flags): Promise<void> {
  const loaded = readConfig(flags)
  const bridge = await readBridge(loaded.config)
  const warnings = [...loaded.warnings, ...bridge.warnings]
  for (const warning of warnings) console.error(plain(warning))
  if (check) {
    if (warnings.length > 0) throw new CommandError('The settings are not valid.', exitCodes.usage)
    await print(Boolean(json), { ok: true }, () => 'The settings are fine.\n')
    return
  }
  const shown = [...listSettings(loaded), ...bridge.given]
  await print(Boolean(json), shown, () =>
    table(
      ['SETTING', 'VALUE', 'FROM'],
      shown.map(({ name, value, source }) => [name, formatSetting(value), source]),
    ),
  )
}
