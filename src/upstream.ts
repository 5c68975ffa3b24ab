import type { Credentials } from './credentials.ts'
import type { Progress } from './protocol.ts'

/** Another server, which is asked for whom and what this one does not know; `spentMs` is how long the reader has waited. */
export interface Upstream {
  /** Whether it lets them in; undefined when it is not to be asked. Rejects with `unavailable` when it does not say. */
  knows(credentials: Credentials, spentMs: number): Promise<boolean> | undefined

  /**
   * The record that it has of a document and that is kept now; undefined when there is none. Rejects with `unavailable`
   * when it does not say.
   */
  fetchProgress(credentials: Credentials, document: string, spentMs: number): Promise<Progress | undefined>
}
