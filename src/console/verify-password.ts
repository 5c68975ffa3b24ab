import { isDisabled } from '../accounts/authenticator.ts'
import { keyOfPassword, trimBlanks } from '../kosync/credentials.ts'
import { ProtocolError } from '../kosync/protocol-error.ts'
import { username as nameSchema } from '../kosync/protocol.ts'
import type { Account } from '../store/store.ts'
import type { Visit } from './route.ts'

/**
 * The account of a name and a password as somebody types them; undefined when they are wrong. Throws `tooManyAttempts` or
 * `unavailable` where they are not checked. The limits are those of the wire. A key itself, which may have been overheard,
 * is no password.
 */
export async function verifyPassword(visit: Visit, typed: string, password: string): Promise<Account | undefined> {
  const { request, ip, options } = visit
  const username = trimBlanks(typed)
  request.note = { user: username }
  // What can be nobody's is looked up nowhere: it would fill the memory.
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
