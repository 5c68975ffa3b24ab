import { constants, isUtf8 } from 'node:buffer'
import { readFile, stat } from 'node:fs/promises'
import { parseObject } from '../damaged-file.ts'
import { hasCode } from '../error-code.ts'
import { SourceError } from './source.ts'

export interface SourceFile {
  bytes: Buffer
  /** Modification time, in seconds since 1970. */
  fileTime: number
}

/** Reads the whole file. Throws SourceError; its message asks for `wanted`. */
export async function readSourceFile(path: string, wanted: string): Promise<SourceFile> {
  try {
    const stats = await stat(path)
    // Reading a named pipe could block for ever.
    if (!stats.isFile()) throw new SourceError(`${path} is not a file. Give the path of ${wanted}.`)
    // The file must fit into one string.
    if (stats.size > constants.MAX_STRING_LENGTH) throw new SourceError(`${path} is too large: over 512 MB`)
    return { bytes: await readFile(path), fileTime: Math.floor(stats.mtimeMs / 1000) }
  } catch (error) {
    throw toSourceError(error, path, wanted)
  }
}

/** Why the path cannot be read, and which file to pass instead. Rethrows errors that are not of the file system. */
export function toSourceError(error: unknown, path: string, wanted: string): SourceError {
  if (error instanceof SourceError) return error
  if (!(error instanceof Error && 'code' in error)) throw error
  const reason = hasCode(error, 'ENOENT', 'ENOTDIR') ? 'is not there' : `cannot be read (${String(error.code)})`
  return new SourceError(`${path} ${reason}. Give the path of ${wanted}.`, { cause: error })
}

/** Parses the bytes as a JSON object. Throws SourceError. */
export function parseSource(bytes: Buffer, path: string, wanted: string): Record<string, unknown> {
  // Each letter of another encoding would become the same character, and two names could become one.
  if (!isUtf8(bytes)) throw new SourceError(`${path} is not UTF-8. Give the path of ${wanted}, saved as UTF-8.`)
  try {
    // Editors on Windows begin a file with a byte order mark.
    return parseObject(bytes.toString().replace(/^\ufeff/, ''), path)
  } catch (error) {
    throw new SourceError(`${path} does not hold a JSON object. Give the path of ${wanted}.`, { cause: error })
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
