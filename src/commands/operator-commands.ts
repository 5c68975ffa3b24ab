import type { Command } from 'commander'

type Define = (kss: Command) => void

/** What defines each of the operators' commands, in the order of `kss help`. Loading the modules of all takes time. */
const loaders = new Map<string, () => Promise<Define>>([
  ['user', async () => (await import('./user.ts')).defineUser],
  ['registration', async () => (await import('./registration.ts')).defineRegistration],
  ['invite', async () => (await import('./registration.ts')).defineInvite],
  ['device', async () => (await import('./device.ts')).defineDevice],
  ['doc', async () => (await import('./doc.ts')).defineDoc],
  ['history', async () => (await import('./history.ts')).defineHistory],
  ['doctor', async () => (await import('./doctor.ts')).defineDoctor],
  ['backup', async () => (await import('./backup.ts')).defineBackup],
  ['check', async () => (await import('./check.ts')).defineCheck],
  ['import', async () => (await import('./import.ts')).defineImport],
  ['export', async () => (await import('./export.ts')).defineExport],
  ['config', async () => (await import('./config.ts')).defineConfig],
  ['audiobookshelf', async () => (await import('./audiobookshelf.ts')).defineAudiobookshelf],
])

/** Defines the operator's command that was asked for; where none has that name all, for the help and for suggestions. */
export async function defineOperatorCommands(kss: Command, asked: string | undefined): Promise<void> {
  const loader = asked === undefined ? undefined : loaders.get(asked)
  const loaded = await Promise.all((loader ? [loader] : [...loaders.values()]).map((load) => load()))
  for (const define of loaded) define(kss)
  // Other commands report the name of the command that has locked the folder.
  kss.hook('preAction', (_kss, command) => void command.setOptionValue('command', fullName(command)))
}

/** As typed: `kss backup create`. */
function fullName(command: Command): string {
  return command.parent ? `${fullName(command.parent)} ${command.name()}` : command.name()
}
