import { createHash } from 'node:crypto'

/** Names by which a push left its folder on Python kss, or replaced what is not a record. */
const unsafe = /[/\\\0]|^\.{0,2}$|^(auth|history)$/i

/**
 * Whether a file of this name, without its extension, is where some kss keeps what is called so: under the name itself,
 * as Python kss does, or with escaped bytes, or under a hash of it. @see STORAGE.md §2
 */
export function isFileNameOf(fileName: string, name: string): boolean {
  // Some file systems normalise what they list.
  if (fileName.normalize() === name.normalize() || decode(fileName) === name) return true
  return fileName === `~${createHash('sha256').update(name).digest('hex')}`
}

/** Whether what a file says of its document can be believed; below a user's folder it must be where that one is kept. */
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
