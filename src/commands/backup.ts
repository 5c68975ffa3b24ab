import { resolve } from 'node:path'
import type { Command } from 'commander'
import { CommandError } from '../command-error.ts'
import { backupFolder, listBackups } from '../backup/backup-files.ts'
import { createBackup } from './backup-create.ts'
import { restoreBackup } from './backup-restore.ts'
import { examples, jsonCommand } from './define.ts'
import { loadSettings, type StateFlags } from '../control/state.ts'
import { stateFolderOf } from '../control/state-folder.ts'
import { formatBytes, formatTime, print, table } from './terminal.ts'

/** `kss backup create|restore|list`. */
export function defineBackup(program: Command): void {
  const backup = program.command('backup').description('make, restore and list backups, while the server runs')
  jsonCommand(backup, 'create [target]', 'write all accounts, positions and histories to one file')
    .option('--keep <number>', 'remove all but the newest backups of that folder; those with another name stay')
    .addHelpText(
      'after',
      '\nThe target is a file, or a folder, where the file is named after the time; - is standard output.\n' +
        'Without a target the file goes into the folder .backups of the data folder; with KSS_STORE pass one.',
    )
    .addHelpText(
      'after',
      examples(
        'kss backup create',
        'kss backup create /mnt/nas --keep 14',
        'kss backup create /mnt/nas/kss.tar.gz',
        'kss backup create - > kss.tar.gz',
      ),
    )
    .action(createBackup)
  jsonCommand(backup, 'restore <file>', 'restore a backup into an empty data folder; - reads standard input')
    .option('--merge', 'into one that is not: accounts stay, the newest position wins, the rest goes into the history')
    .addHelpText(
      'after',
      examples(
        'kss backup restore kss.tar.gz --dir /srv/new',
        'kss backup restore --merge kss.tar.gz',
        'kss backup restore --merge - < kss.tar.gz',
      ),
    )
    .action(restoreBackup)
  jsonCommand(backup, 'list [folder]', 'show the backups of the data folder, or of another one')
    .addHelpText('after', examples('kss backup list', 'kss backup list /mnt/nas'))
    .action(list)
}

async function list(folder: string | undefined, flags: StateFlags): Promise<void> {
  const from = folder === undefined ? backupFolder(stateFolderOf(loadSettings(flags))) : resolve(folder)
  const backups = await listBackups(from).catch((error: unknown) => {
    throw new CommandError(`Cannot read the folder ${from}: ${(error as Error).message}`)
  })
  await print(flags.json, backups, async () => {
    if (backups.length === 0) return 'There is no backup. kss backup create makes one.\n'
    return await table(
      ['MADE', 'SIZE', 'FILE'],
      backups.map(({ path, bytes, created }) => [formatTime(created), formatBytes(bytes), path]),
    )
  })
}
