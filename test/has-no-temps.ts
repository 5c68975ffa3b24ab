import { readdir } from 'node:fs/promises'

/** Whether no file of the folder is being written, to be renamed when it is whole. */
export async function hasNoTemps(folder: string): Promise<boolean> {
  return (await readdir(folder)).every((name) => !name.startsWith('.tmp-'))
}
