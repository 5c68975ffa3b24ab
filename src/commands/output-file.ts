import { stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { CommandError, exitCodes } from '../command-error.ts'
import { unlessAbsent } from '../error-code.ts'

/** Throws CommandError where no file can be made at the path: it would be renamed to it. */
export async function checkOutput(path: string): Promise<void> {
  const folder = dirname(resolve(path))
  const there = await unlessAbsent(stat(path))
  // The file would take the place of the device, or of the link /dev/stdout.
  if ((there && !there.isFile()) || folder === '/dev')
    throw new CommandError(`${path} can be no file. For standard output pass -`, exitCodes.usage)
  if (!there && !(await unlessAbsent(stat(folder)))) throw new CommandError(`There is no folder ${folder}.`)
}
