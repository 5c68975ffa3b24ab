import type { Credentials } from './kosync/credentials.ts'
import type { Progress } from './kosync/protocol.ts'
import type { Account } from './store/store.ts'

/** Another server, which is asked for whom and what this one does not know; `spentMs` is how long the reader has waited. */
export interface Upstream {
  /** Whether it lets them in; undefined when it is not to be asked. Rejects with `unavailable` when it does not say. */
  knows(credentials: Credentials, spentMs: number): Promise<boolean> | undefined

  /**
   * The record that it has of a document of the account, whose key is known now, and that is kept from here on; undefined
   * when there is none. Rejects with `unavailable` when it does not say.
   */
  fetchProgress(account: Account, key: string, document: string, spentMs: number): Promise<Progress | undefined>
}
