import { isDisabled } from '../accounts/authenticator.ts'
import { keyOfPassword, trimBlanks } from '../kosync/credentials.ts'
import { ProtocolError } from '../kosync/protocol-error.ts'
import { username as nameSchema } from '../kosync/protocol.ts'
import type { Account } from '../store/store.ts'
import type { Visit } from './route.ts'

/**
 * The account of a typed name and password; undefined if they are wrong. Throws `tooManyAttempts` or `unavailable` if they
 * are not checked, with the limits of the wire. A key, which may have been overheard, does not count as a password.
 */
export async function verifyPassword(visit: Visit, typed: string, password: string): Promise<Account | undefined> {
  const { request, ip, options } = visit
  const username = trimBlanks(typed)
  request.note = { user: username }
  // An impossible name is not looked up: such names would fill the memory.
  if (username.length > nameSchema.maxLength) return undefined
  try {
    return await options.accounts.verify({ username, key: keyOfPassword(password) }, { ip })
  } catch (error) {
    if (!(error instanceof ProtocolError) || error.error !== 'unauthorized') throw error
    request.note = { user: username, reason: error.reason! }
    const kind = error.reason === isDisabled ? 'disabled' : 'wrongSignIn'
    if (error.account) options.events.addTo(error.account.id, { kind, address: ip })
    return undefined
  }
}
