import { idleSeconds, mostSessions } from '../session.ts'
import type { Session, SessionStore } from '../store.ts'
import type { Engine } from './engine.ts'
import { globalKeys } from './keys.ts'
import { addSession } from './scripts.ts'

const { session: prefix, sessionsOf } = globalKeys

/**
 * Sessions of the console, shared by all processes. A session is valid only while its account lists it, so that all
 * sessions of an account end in one step. They expire by themselves.
 */
export class RedisSessions implements SessionStore {
  readonly #engine: Engine

  constructor(engine: Engine) {
    this.#engine = engine
  }

  async getSession(hash: string): Promise<Session | undefined> {
    const found = (await this.#engine.ask(['GET', prefix + hash])) as string | null
    if (found === null) return undefined
    const session = JSON.parse(found) as Session
    return (await this.#engine.ask(['ZSCORE', sessionsOf + session.accountId, hash])) === null ? undefined : session
  }

  async putSession(session: Session): Promise<void> {
    const { hash, accountId, created } = session
    await this.#engine.ask(['SET', prefix + hash, JSON.stringify(session), 'EX', `${idleSeconds}`])
    await this.#engine.run(addSession, [sessionsOf + accountId], [hash, created, mostSessions, idleSeconds])
  }

  /** The account lists the session until its next one begins. */
  async deleteSession(hash: string): Promise<void> {
    await this.#engine.ask(['DEL', prefix + hash])
  }

  async deleteSessions(accountId: string): Promise<void> {
    await this.#engine.ask(['DEL', sessionsOf + accountId])
  }
}
