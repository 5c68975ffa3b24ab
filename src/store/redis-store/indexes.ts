import type { Engine } from './engine.ts'
import { globalKeys } from './keys.ts'
import { setListed } from './scripts.ts'

const { users, operators, invited, removed, bridgeOutbox } = globalKeys

/** The number of removed names that are kept, the newest; an upstream does not adopt these. */
const mostRemoved = 10_000

/**
 * The indexes of all accounts. In a cluster they are on another node than an account, so they cannot change in the same
 * step. They change afterwards; until then the account has a mark, and a process that finds the mark updates the indexes.
 */
export class Indexes {
  readonly #engine: Engine

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** Updates the indexes for this name, whether it has an account or not. `gone`: the id of a deleted account. */
  async update(username: string, gone: string = ''): Promise<void> {
    const { key, account } = this.#engine.keysOf(username)
    const isThere = async (): Promise<boolean> => (await this.#engine.ask(['EXISTS', key])) === 1
    let found: boolean
    do {
      found = await isThere()
      await (found ? this.#add(username) : this.#remove(username, gone))
      // Another process may have created or deleted the account meanwhile.
    } while ((await isThere()) !== found)
    await this.#engine.ask(['HDEL', account, 'unlisted', 'gone'])
  }

  /** Adds an invited name, or removes it. */
  async setInvited(username: string, isInvited: boolean): Promise<void> {
    await this.#engine.run(setListed, [invited], [username, isInvited ? '1' : '0', ''])
  }

  /** Adds a name that an upstream does not adopt, or removes it. */
  async setRemoved(username: string, isRemoved: boolean): Promise<void> {
    await this.#engine.run(setListed, [removed], [username, isRemoved ? '1' : '0', mostRemoved])
  }

  async setOperator(id: string, isOperator: boolean): Promise<void> {
    await this.#engine.ask([isOperator ? 'SADD' : 'SREM', operators, id])
  }

  /** Moves a renamed user's entry in the outbox of the Audiobookshelf bridge. */
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
