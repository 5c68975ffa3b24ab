import { createHash } from 'node:crypto'
import { basename, dirname } from 'node:path'
import { DamagedFile, parseObject } from '../../../damaged-file.ts'
import { raise } from '../../account.ts'
import { toFileName } from './file-name.ts'
import type { Account, Quota, User } from '../../store.ts'

export const authFile = 'auth.json'

/** The new name in auth.json during a renaming. It counts as soon as the folder has the new name, in the next generation. */
export const nextName = 'x-auth-user-next'

/** A user and the path of its folder. */
export interface StoredUser extends User {
  folder: string
  /** All fields of auth.json; unknown ones are kept when it is written. */
  fields: Record<string, unknown>
}

/** Parses auth.json. The account has an empty id if the file has none. Throws DamagedFile. */
export function parseUser(text: string, path: string): StoredUser {
  return userOf(parseObject(text, path), path)
}

/** Makes a user of the fields of the auth.json at the path; throws DamagedFile. */
export function userOf(all: Record<string, unknown>, path: string): StoredUser {
  const folder = dirname(path)
  const { [nextName]: next, ...fields } = all
  const isRenamed = typeof next === 'string' && toFileName(next) === basename(folder)
  if (isRenamed) fields['x-auth-user'] = next
  const { 'x-auth-user': username, 'x-auth-key': key, disabled, adopted, admin, id, generation } = fields
  if (typeof username !== 'string') throw new DamagedFile(path, 'has no x-auth-user')
  if (typeof key !== 'string' || key === '') throw new DamagedFile(path, 'has no x-auth-key')
  const stored = {
    username,
    folder: basename(folder),
    id: typeof id === 'string' ? id : '',
    generation: Number.isSafeInteger(generation) ? (generation as number) : 0,
  }
  const account = isRenamed ? raise(stored) : Object.freeze(stored)
  const quota = quotaOf(fields)
  const user = { username, key, account, folder, fields, ...(quota && { quota }) }
  const flags = { disabled, adopted, admin }
  const said = Object.entries(flags).filter(([, flag]) => flag === true)
  return { ...user, ...(Object.fromEntries(said) as { disabled?: true }) }
}

/** Undefined if the account has the default quota. */
function quotaOf({ quota_documents, quota_bytes }: Record<string, unknown>): Partial<Quota> | undefined {
  const quota = {
    ...(isCount(quota_documents) && { documents: quota_documents }),
    ...(isCount(quota_bytes) && { bytes: quota_bytes }),
  }
  return Object.keys(quota).length > 0 ? quota : undefined
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** Formats auth.json. */
export function formatAuth(
  fields: Record<string, unknown>,
  { id, generation }: Pick<Account, 'id' | 'generation'>,
): string {
  const key_sha256 = sumOf(String(fields['x-auth-key']))
  return `${JSON.stringify({ ...fields, id, generation, key_sha256 })}\n`
}

/** Detects a stored key that kss did not write. It is stored beside `x-auth-key`, so it reveals nothing more. */
export function sumOf(storedKey: string): string {
  return createHash('sha256').update(storedKey).digest('hex')
}
