import type { FastifyBaseLogger } from 'fastify'
import type { Adopt } from './authenticator.ts'
import type { Credentials } from '../kosync/credentials.ts'
import type { Store } from '../store/store.ts'

export interface AdoptionOptions {
  store: Store
  logger: FastifyBaseLogger
  /**
   * Whether another server accepts the credentials; undefined when it is not to be asked. Rejects with `unavailable` when
   * it gives no answer. `spentMs` is how long the reader has waited.
   */
  knows: (credentials: Credentials, spentMs: number) => Promise<boolean> | undefined
}

/** Makes accounts for users of another server at their first log-in here. */
export function createAdoption({ store, logger, knows }: AdoptionOptions): Adopt {
  /** False for names that were removed or renamed here, and for names that somebody is invited to. */
  const mayBeAdopted = async (username: string): Promise<boolean> => {
    const { invited, removed = [] } = await store.getRegistration()
    return !invited.includes(username) && !removed.includes(username)
  }

  return async ({ username, key }, spentMs, hash) => {
    const known = (await mayBeAdopted(username)) ? knows({ username, key }, spentMs()) : undefined
    if (!known) return 'notAsked'
    // Not before: for a stranger that would be work for nothing.
    if (!(await known)) return 'refused'
    const stored = await hash()
    const created = await store.createUser({ username, key: stored, adopted: true })
    const user = await store.getUser(username)
    // It is gone again.
    if (!user) return 'refused'
    // Somebody else may have the name since.
    const isVerified = created && user.key === stored
    if (isVerified) logger.info({ user: username }, 'an account came from the upstream')
    return { user, isVerified }
  }
}
