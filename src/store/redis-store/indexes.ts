import type { Engine } from './engine.ts'
import { globalKeys } from './keys.ts'
import { setListed } from './scripts.ts'

const { users, operators, invited, removed, bridgeOutbox } = globalKeys

/** Names that an upstream does not bring back: the newest ones. */
const mostRemoved = 10_000

/**
 * What tells of many accounts. In a cluster it is elsewhere than an account, so it cannot change in one step with it. It
 * changes afterwards; until then the account has a mark, and whoever finds that mark brings the indexes up.
 */
export class Indexes {
  readonly #engine: Engine

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** Brings them up to whether there is an account of this name. `gone`: the id of one that was deleted. */
  async update(username: string, gone: string = ''): Promise<void> {
    const { key, account } = this.#engine.keysOf(username)
    const isThere = async (): Promise<boolean> => (await this.#engine.ask(['EXISTS', key])) === 1
    let found: boolean
    do {
      found = await isThere()
      await (found ? this.#add(username) : this.#remove(username, gone))
      // Somebody may have created or deleted it meanwhile, and been faster.
    } while ((await isThere()) !== found)
    await this.#engine.ask(['HDEL', account, 'unlisted', 'gone'])
  }

  /** A name that is invited, or is no more. */
  async setInvited(username: string, isInvited: boolean): Promise<void> {
    await this.#engine.run(setListed, [invited], [username, isInvited ? '1' : '0', ''])
  }

  /** A name that an upstream does not bring back, or may bring back. */
  async setRemoved(username: string, isRemoved: boolean): Promise<void> {
    await this.#engine.run(setListed, [removed], [username, isRemoved ? '1' : '0', mostRemoved])
  }

  async setOperator(id: string, isOperator: boolean): Promise<void> {
    await this.#engine.ask([isOperator ? 'SADD' : 'SREM', operators, id])
  }

  /** A user has another name: what waits for Audiobookshelf is looked at under it. */
  async moveOutbox(from: string, to: string): Promise<void> {
    if ((await this.#engine.ask(['ZREM', bridgeOutbox, from])) === 1)
      await this.#engine.ask(['ZADD', bridgeOutbox, '0', to])
  }

  async #add(username: string): Promise<void> {
    await Promise.all([
      this.#engine.ask(['ZADD', users, '0', username]),
      this.setInvited(username, false),
      this.setRemoved(username, false),
    ])
  }

  async #remove(username: string, id: string): Promise<void> {
    await Promise.all([
      this.#engine.ask(['ZREM', users, username]),
      this.setOperator(id, false),
      this.setRemoved(username, true),
    ])
  }
}
