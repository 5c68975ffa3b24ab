import { join } from 'node:path'
import { replaceFile } from '../../../durable.ts'
import { parseObject } from '../../../damaged-file.ts'
import { unlessAbsent } from '../../../error-code.ts'
import { countUserFolders } from './folder-names.ts'
import { readTrusted } from '../../../trusted-file.ts'

/** The number of the layout of STORAGE.md §1; any change that an older kss would not understand counts it up. */
export const format = 1

const fileName = '.format'

/**
 * The layout's number of a state directory: 0 for Python kss's, undefined for one without users. Rejects with
 * DamagedFile when the mark is none.
 */
export async function readFormat(dir: string): Promise<number | undefined> {
  const path = join(dir, fileName)
  const text = await unlessAbsent(readTrusted(path))
  if (text !== undefined) return Number(parseObject(text, path)['format'])
  return (await countUserFolders(dir, 0)) > 0 ? 0 : undefined
}

/** Says that the state directory has the layout of this kss. */
export async function markFormat(dir: string): Promise<void> {
  await replaceFile(join(dir, fileName), `${JSON.stringify({ format })}\n`)
}
