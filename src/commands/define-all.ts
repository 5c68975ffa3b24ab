import type { Command } from 'commander'
import { defineAudiobookshelf } from './audiobookshelf.ts'
import { defineBackup } from './backup.ts'
import { defineCheck } from './check.ts'
import { defineConfig } from './config.ts'
import { defineDevice } from './device.ts'
import { defineDoc } from './doc.ts'
import { defineDoctor } from './doctor.ts'
import { defineExport } from './export.ts'
import { defineHistory } from './history.ts'
import { defineImport } from './import.ts'
import { defineInvite, defineRegistration } from './registration.ts'
import { defineUser } from './user.ts'

/** Defines the operators' commands, in the order of `kss help`. */
export function defineAll(kss: Command): void {
  for (const define of [
    defineUser,
    defineRegistration,
    defineInvite,
    defineDevice,
    defineDoc,
    defineHistory,
    defineDoctor,
    defineBackup,
    defineCheck,
    defineImport,
    defineExport,
    defineConfig,
    defineAudiobookshelf,
  ]) {
    define(kss)
  }
  // Other commands report the name of the command that has locked the folder.
  kss.hook('preAction', (_kss, command) => void command.setOptionValue('command', fullName(command)))
}

/** As typed: `kss backup create`. */
function fullName(command: Command): string {
  return command.parent ? `${fullName(command.parent)} ${command.name()}` : command.name()
}
