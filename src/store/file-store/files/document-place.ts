import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Progress } from '../../../kosync/protocol.ts'
import { unlessAbsent } from '../../../error-code.ts'
import { hasRawFileName, toFileName } from './file-name.ts'
import { parseProgress } from './progress-file.ts'
import { readTrusted } from '../../../trusted-file.ts'

/** Whether a record of the document may have this file name (without extension): kss looks for it there. */
export function isPlace(stem: string, document: string): boolean {
  // Never auth.json, which is the credential.
  return stem === toFileName(document) || (stem === document && hasRawFileName(document) && document !== 'auth')
}

/** The file name, without extension, of the record that is served for the document; undefined when there is none. */
export async function findPlace(folder: string, document: string): Promise<string | undefined> {
  const names = new Set(await readdir(folder))
  for (const stem of [toFileName(document), document]) {
    if (!isPlace(stem, document) || !names.has(`${stem}.json`)) continue
    if ((await readGood(join(folder, `${stem}.json`)))?.document === document) return stem
  }
  return undefined
}

/** Undefined when there is no file, or it holds no record. */
export async function readGood(path: string): Promise<Progress | undefined> {
  const text = await unlessAbsent(readTrusted(path))
  const stats = await unlessAbsent(stat(path))
  if (text === undefined || !stats) return undefined
  try {
    return parseProgress(text, path, Math.floor(stats.mtimeMs / 1000))
  } catch {
    return undefined
  }
}
