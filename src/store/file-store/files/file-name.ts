import { createHash } from 'node:crypto'

const longest = 200

/** Names that mean something else in a user's folder. */
const reserved = new Set(['auth', 'history'])

/** Lower-case letters, digits, `_`, `-` and single inner dots, a letter or digit first. */
const verbatim = /^[a-z0-9](\.?[a-z0-9_-])*$/

/** Windows opens a device for these, whatever the extension. */
const device = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/

/**
 * The safe file name of a user or document id: lower-case ASCII, no path, no device, and different for different
 * names, on case-folding and Unicode-normalising file systems too. @see STORAGE.md §2
 */
export function toFileName(name: string): string {
  const unsafe = reserved.has(name) || device.test(name)
  const fileName = verbatim.test(name) && !unsafe ? name : escapeBytes(name, unsafe)
  if (fileName.length <= longest) return fileName
  return `~${createHash('sha256').update(name).digest('hex')}`
}

/** Whether an older kss could have used the name itself as a file name that toFileName would not make. */
export function hasRawFileName(name: string): boolean {
  return !/^\.|[/\\\0]/.test(name) && toFileName(name) !== name
}

/** The names that the folder of a user may have: the one of toFileName, and that of an older kss. */
export function folderNames(username: string): string[] {
  return hasRawFileName(username) ? [toFileName(username), username] : [toFileName(username)]
}

/** The name that toFileName makes this of; undefined when there is none, or only a hash is left of it. */
export function fromFileName(fileName: string): string | undefined {
  try {
    const name = decodeURIComponent(fileName)
    return toFileName(name) === fileName ? name : undefined
  } catch {
    return undefined
  }
}

function escapeBytes(name: string, escapeFirst: boolean): string {
  let escaped = ''
  const bytes = Buffer.from(name)
  for (const [at, byte] of bytes.entries()) {
    const unescaped = isUnescaped(bytes, at, byte) && !(at === 0 && escapeFirst)
    escaped += unescaped ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, '0')}`
  }
  return escaped
}

/** Lower-case letters and digits anywhere, `_` and `-` not first, a dot only between two other characters. */
function isUnescaped(bytes: Buffer, at: number, byte: number): boolean {
  const character = String.fromCharCode(byte)
  if (/[a-z0-9]/.test(character)) return true
  if (/[_-]/.test(character)) return at > 0
  return character === '.' && at > 0 && at < bytes.length - 1 && bytes[at - 1] !== byte && bytes[at + 1] !== byte
}
