import { Ajv } from 'ajv'
import { trimBlanks } from '../kosync/credentials.ts'
import { push, registration, type Progress } from '../kosync/protocol.ts'

const ajv = new Ajv()
const fitsUsername = ajv.compile<string>(registration.properties.username)

/** Whether a reader can log in with the name: HTTP strips blanks at both ends of a header value. @see protocol.ts */
export function isUsername(name: unknown): name is string {
  return fitsUsername(name) && trimBlanks(name) === name
}

/** Whether the wire accepts the x-auth-key. */
export const isKey = ajv.compile<string>(registration.properties.password)

/** Whether auth.json can hold the key as plain text, and not take it for a hash. @see STORAGE.md §1 */
export function isPlainKey(key: string): boolean {
  return isKey(key) && !key.startsWith('$scrypt$')
}

/** Whether a plain key of another server is valid and cannot be mistaken for a hash. */
export const plainKey = /^(?!\$|pbkdf2\$)/

/** Whether the wire accepts the document. */
export const isDocument = ajv.compile<string>(push.properties.document)

/** Whether the wire accepts the progress or device. */
export const isText = ajv.compile<string>(push.properties.progress)

/** Limit of a row: a push to this kss has at most 16 KiB. Python kss keeps all fields and has no limit. */
const maxCharacters = 65_536

/** Whether the row is larger than a push may be. */
export function isTooLarge(row: Progress): boolean {
  return JSON.stringify(row).length > maxCharacters
}
