import { stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { CommandError, exitCodes } from '../command-error.ts'
import { unlessAbsent } from '../error-code.ts'

/** Throws CommandError if a temporary file cannot be renamed to the path. */
export async function checkOutput(path: string): Promise<void> {
  const folder = dirname(resolve(path))
  const there = await unlessAbsent(stat(path))
  // The renamed file would replace a device, or the link /dev/stdout.
  if ((there && !there.isFile()) || folder === '/dev')
    throw new CommandError(`${path} can be no file. For standard output pass -`, exitCodes.usage)
  if (!there && !(await unlessAbsent(stat(folder)))) throw new CommandError(`There is no folder ${folder}.`)
}
