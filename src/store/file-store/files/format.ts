import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile, syncFolder } from '../../../durable.ts'
import { parseObject } from '../../../damaged-file.ts'
import { unlessAbsent } from '../../../error-code.ts'
import { countUserFolders } from './folder-names.ts'
import { readTrusted } from '../../../trusted-file.ts'

/** The number of the layout of STORAGE.md §1, with all in the files. A kss that knows only a lower number refuses it. */
export const format = 1

/** The number while the write-ahead log may hold what is not in the files, so that kss 0.1 does not start without it. */
export const logFormat = 2

const fileName = '.format'

interface Mark {
  format: number
  /** 0 when the layout was Python kss's, and the backup before its change is still to be made. */
  before?: number
}

/**
 * The layout's number of a state directory: 0 for Python kss's, undefined for one without users. Rejects with
 * DamagedFile when the mark is none.
 */
export async function readFormat(dir: string): Promise<number | undefined> {
  const mark = await readMark(dir)
  if (mark) return mark.before ?? mark.format
  return (await countUserFolders(dir, 0)) > 0 ? 0 : undefined
}

/** Says that the state directory has the layout of this kss. */
export async function markFormat(dir: string): Promise<void> {
  await writeMark(dir, { format: (await readMark(dir))?.format === logFormat ? logFormat : format })
}

/** Before the first segment of the log is made. */
export async function raiseFormat(dir: string): Promise<void> {
  const mark = await readMark(dir)
  // Raised already; or no kss could read it, which is for a person to mend.
  if (mark && mark.format !== format) return
  const isPython = (await readFormat(dir)) === 0
  await writeMark(dir, { format: logFormat, ...(isPython && { before: 0 }) })
}

/** After the last segment of the log is removed: an older kss may have the directory again. */
export async function lowerFormat(dir: string): Promise<void> {
  const mark = await readMark(dir)
  if (mark?.format !== logFormat) return
  if (mark.before === undefined) return await writeMark(dir, { format })
  await rm(join(dir, fileName))
  await syncFolder(dir)
}

async function readMark(dir: string): Promise<Mark | undefined> {
  const path = join(dir, fileName)
  const text = await unlessAbsent(readTrusted(path))
  if (text === undefined) return undefined
  const { format: number, before } = parseObject(text, path)
  return { format: Number(number), ...(before === 0 && { before }) }
}

async function writeMark(dir: string, mark: Mark): Promise<void> {
  await replaceFile(join(dir, fileName), `${JSON.stringify(mark)}\n`)
}
