import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Progress } from '../../../kosync/protocol.ts'
import { unlessAbsent } from '../../../error-code.ts'
import { hasRawFileName, toFileName } from './file-name.ts'
import { parseProgress } from './progress-file.ts'
import { readTrusted } from '../../../trusted-file.ts'

/** Whether kss looks for the document's record under this file name (without extension). */
export function isRecordStem(stem: string, document: string): boolean {
  // Never auth.json: it is the credential.
  return stem === toFileName(document) || (stem === document && hasRawFileName(document) && document !== 'auth')
}

/** The file name, without extension, of the document's record; undefined if there is none. */
export async function findRecordStem(folder: string, document: string): Promise<string | undefined> {
  const names = new Set(await readdir(folder))
  for (const stem of [toFileName(document), document]) {
    if (!isRecordStem(stem, document) || !names.has(`${stem}.json`)) continue
    if ((await readIfValid(join(folder, `${stem}.json`)))?.document === document) return stem
  }
  return undefined
}

/** The record at the path; undefined if there is no file, or no valid record in it. */
export async function readIfValid(path: string): Promise<Progress | undefined> {
  const text = await unlessAbsent(readTrusted(path))
  const stats = await unlessAbsent(stat(path))
  if (text === undefined || !stats) return undefined
  try {
    return parseProgress(text, path, Math.floor(stats.mtimeMs / 1000))
  } catch {
    return undefined
  }
}
