import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Reads a file beside this module, in src/console or in dist. The bundle of one file has its own. @see build/one-file.js */
export async function readAsset(name: string): Promise<Buffer> {
  return await readFile(join(import.meta.dirname, name))
}
