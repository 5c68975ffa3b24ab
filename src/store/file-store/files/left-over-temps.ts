import { lstat, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { tempPrefix } from '../../../durable.ts'
import { unlessAbsent } from '../../../error-code.ts'
import { eachEntry } from './folder-names.ts'

/** Removes the temps from the folder: those of before `started` (milliseconds since 1970). */
export async function removeTempsFrom(folder: string, started: number): Promise<void> {
  for await (const { name } of eachEntry(folder)) {
    if (!name.startsWith(tempPrefix)) continue
    const path = join(folder, name)
    const stats = await unlessAbsent(stat(path))
    if (stats && stats.mtimeMs < started) await rm(path, { recursive: true, force: true })
  }
}

/** The same of a folder in the state directory, which need not be there. A link is not followed. */
export async function removeTempsInside(folder: string, started = Infinity): Promise<void> {
  if ((await unlessAbsent(lstat(folder)))?.isDirectory()) await unlessAbsent(removeTempsFrom(folder, started))
}
