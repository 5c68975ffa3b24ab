import { createHash } from 'node:crypto'

/** Document names with which a push to Python kss left the user's folder, or replaced a file that is no record. */
const unsafe = /[/\\\0]|^\.{0,2}$|^(auth|history)$/i

/**
 * Whether a file with this name, without its extension, is where a kss keeps the document or user: under the raw name,
 * as Python kss does, with escaped bytes, or under a hash of the name. @see STORAGE.md §2
 */
export function isFileNameOf(fileName: string, name: string): boolean {
  // Some file systems normalise Unicode names.
  if (fileName.normalize() === name.normalize() || decode(fileName) === name) return true
  return fileName === `~${createHash('sha256').update(name).digest('hex')}`
}

/** Whether the document named in a file is plausible: the file must stand where that document is kept. */
export function canHold(fileName: string, document: string): boolean {
  return isFileNameOf(fileName, document) || (!fileName.includes('/') && !unsafe.test(document))
}

function decode(fileName: string): string | undefined {
  try {
    return decodeURIComponent(fileName)
  } catch {
    return undefined
  }
}
