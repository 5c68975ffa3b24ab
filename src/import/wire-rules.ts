import { Ajv } from 'ajv'
import { trimBlanks } from '../kosync/credentials.ts'
import { push, registration, type Progress } from '../kosync/protocol.ts'

const ajv = new Ajv()
const fitsUsername = ajv.compile<string>(registration.properties.username)

/** Whether a reader can log in by the name: HTTP takes blanks off a header's ends. @see protocol.ts */
export function isUsername(name: unknown): name is string {
  return fitsUsername(name) && trimBlanks(name) === name
}

/** What the wire takes as x-auth-key. */
export const isKey = ajv.compile<string>(registration.properties.password)

/** The same, but what auth.json can keep as it is: the rest would be taken for a hash. @see STORAGE.md §1 */
export function isPlainKey(key: string): boolean {
  return isKey(key) && !key.startsWith('$scrypt$')
}

/** What a server that keeps keys as they are has as one: nothing that kss would take for a hash of a key. */
export const plainKey = /^(?!\$|pbkdf2\$)/

/** What the wire takes as a document. */
export const isDocument = ajv.compile<string>(push.properties.document)

/** What the wire takes as progress and device. */
export const isText = ajv.compile<string>(push.properties.progress)

/** A push has 16 KiB at most here; Python kss, which keeps all fields, has no limit. */
const maxCharacters = 65_536

/** Whether the row is larger than any that a reader sends. */
export function isTooLarge(row: Progress): boolean {
  return JSON.stringify(row).length > maxCharacters
}
