import { surplusOf } from './session.ts'
import type { Session, SessionStore } from './store.ts'

/** For tests: nothing survives the process. */
export class MemorySessions implements SessionStore {
  readonly #sessions = new Map<string, Session>()

  getSession(hash: string): Session | undefined {
    return this.#sessions.get(hash)
  }

  async putSession(session: Session): Promise<void> {
    for (const { hash } of surplusOf(this.#sessions.values(), session)) this.#sessions.delete(hash)
    this.#sessions.set(session.hash, session)
  }

  async deleteSession(hash: string): Promise<void> {
    this.#sessions.delete(hash)
  }

  async deleteSessions(accountId: string): Promise<void> {
    for (const session of this.#sessions.values())
      if (session.accountId === accountId) this.#sessions.delete(session.hash)
  }
}
