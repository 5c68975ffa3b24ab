import { idleSeconds, mostSessions } from '../session.ts'
import type { Session, SessionStore } from '../store.ts'
import type { Engine } from './engine.ts'
import { globalKeys } from './keys.ts'
import { deleteSessions, putSession } from './scripts.ts'

const { session: prefix, sessionsOf } = globalKeys

/** Sessions of the console: a browser that signed in at one process is signed in at all. They end by themselves. */
export class RedisSessions implements SessionStore {
  readonly #engine: Engine

  constructor(engine: Engine) {
    this.#engine = engine
  }

  async getSession(hash: string): Promise<Session | undefined> {
    const found = (await this.#engine.ask(['GET', prefix + hash])) as string | null
    return found === null ? undefined : (JSON.parse(found) as Session)
  }

  async putSession(session: Session): Promise<void> {
    const { hash, accountId, created } = session
    await this.#engine.run(
      putSession,
      [prefix + hash, sessionsOf + accountId],
      [hash, JSON.stringify(session), idleSeconds, accountId, created, prefix, mostSessions],
    )
  }

  /** Its name stays among those of the account until that one's next session. */
  async deleteSession(hash: string): Promise<void> {
    await this.#engine.ask(['DEL', prefix + hash])
  }

  async deleteSessions(accountId: string): Promise<void> {
    await this.#engine.run(deleteSessions, [sessionsOf + accountId], [prefix])
  }
}
