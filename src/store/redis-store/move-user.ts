import type { Account } from '../store.ts'
import type { Engine, Reply } from './engine.ts'
import type { Indexes } from './indexes.ts'
import { bridgeKeysOf } from './keys.ts'
import * as steps from './move-scripts.ts'
import type { RedisStore } from './redis-store.ts'
import { readDocuments, type Script } from './scripts.ts'
import type { Survey } from './survey.ts'
import { StoreUnavailable } from './unavailable.ts'

export interface MovesOptions {
  engine: Engine
  store: Pick<RedisStore, 'getUser' | 'runFor'>
  survey: Pick<Survey, 'findDocuments'>
  indexes: Pick<Indexes, 'update' | 'moveOutbox'>
  /** Called when the user may no longer be taken from memory. */
  forget: (username: string) => unknown
  /** Resolves when the engine has had the time to write its log. */
  settle: () => Promise<void>
}

/** A move of an account from one name to another. */
interface Move {
  account: Account
  to: string
  /** Grows with each move of the account. */
  number: number
}

/** A document in the reply of readMoved. */
const fieldsOfDocument = 5

/**
 * Renames an account in a cluster, where no script can reach the keys of both names.
 *
 * 1. The account is marked (`beginMove`): every script refuses it, so it does not change, and its requests get 503.
 * 2. The new name is reserved (`keepName`), and all keys are copied there as bytes.
 * 3. The flip, on the node of the old name, if the move was not ended meanwhile. Before it, a failure removes the mark.
 * 4. The account may be used under the new name (`arrive`). The keys of the old name are removed last.
 *
 * The mark has the number of the move. It is there from the first to the last step, so that the same command continues an
 * interrupted move: before the flip it copies everything again, after it nothing. A move to another name ends one before its
 * flip. Late writes of a process for an ended move are refused under the new name by their number. Two processes that do the
 * same move write the same bytes.
 */
export class Moves {
  readonly #options: MovesOptions

  constructor(options: MovesOptions) {
    this.#options = options
  }

  /** As Admin.renameUser; continues an interrupted move. Rejects with StoreUnavailable when another move ends this one. */
  async move(account: Account, to: string): Promise<boolean> {
    const { store, survey } = this.#options
    if (await this.#isTaken(account, to)) {
      // StaleAccount comes first.
      await store.runFor(account, readDocuments, [], [])
      return false
    }
    await survey.findDocuments(0)
    await this.complete(account)
    const [state, number, before] = await store.runFor(account, steps.beginMove, [], [to])
    const move = { account, to, number: Number(number) }
    if (typeof before === 'string' && before !== to) {
      // This move ended it. Its node may be unavailable.
      await this.#free({ account, to: before, number: move.number - 1 }).catch(() => undefined)
    }
    if (state === 'OK' && !(await this.#bring(move))) return false
    await this.#finish(move)
    return true
  }

  /**
   * Ends a move to the name of the account. To be called before that account is renamed or deleted: otherwise an interrupted
   * move would bring it back.
   */
  async complete(account: Account): Promise<void> {
    const { engine } = this.#options
    if (!engine.isCluster) return
    const { account: hash } = engine.keysOf(account.username)
    const [id, number, from] = (await engine.ask(['HMGET', hash, 'id', 'move', 'settles'])) as (string | null)[]
    if (typeof from !== 'string' || id !== account.id) return
    await this.#leave({ account: { ...account, username: from }, to: account.username, number: Number(number) })
  }

  async #isTaken({ username, id }: Account, to: string): Promise<boolean> {
    const { store, forget } = this.#options
    forget(to)
    const other = await store.getUser(to)
    return other !== undefined && (to === username || other.account.id !== id)
  }

  /** All steps up to the flip. False when the new name is taken. */
  async #bring(move: Move): Promise<boolean> {
    try {
      const reserve = [move.account.username, ...this.#prefixesOf(move.to)]
      if ((await this.#atNew(move, steps.keepName, reserve)) === 'TAKEN') {
        await this.#atOld(move, steps.stay)
        return false
      }
      await this.#copy(move)
      await this.#atOld(move, steps.flip)
      return true
    } catch (error) {
      await this.#giveUp(move).catch(() => undefined)
      throw error
    }
  }

  async #copy(move: Move): Promise<void> {
    const { engine } = this.#options
    const { username } = move.account
    const { key, account, documents } = engine.keysOf(username)
    let at = 0
    for (;;) {
      const found = await engine.run(steps.readMoved, [key, account, documents], [at, ...this.#prefixesOf(username)])
      if (found.length === 0) break
      await this.#atNew(move, steps.writeMoved, [...this.#prefixesOf(move.to), ...(found as Buffer[])])
      at += found.length / fieldsOfDocument
    }
    const found = await engine.run(steps.readMovedAccount, [key, account, ...this.#bridgeOf(username, move)], [])
    await this.#atNew(move, steps.writeMovedAccount, [username, ...(found as Buffer[])])
  }

  /** All steps after the flip. */
  async #finish(move: Move): Promise<void> {
    const { indexes, forget, settle } = this.#options
    await this.#arrive(move)
    forget(move.to)
    await indexes.update(move.to)
    await settle()
    // After a power cut or a failover the new name may lack it: the last copy stays.
    await this.#arrive(move)
    await this.#leave(move)
  }

  async #leave(move: Move): Promise<void> {
    const { indexes, forget } = this.#options
    const { username } = move.account
    await this.#run(username, move, steps.leave, this.#prefixesOf(username))
    await this.#run(move.to, move, steps.settle, [])
    forget(username)
    await indexes.update(username)
    await indexes.moveOutbox(username, move.to)
  }

  async #arrive(move: Move): Promise<void> {
    if ((await this.#atNew(move, steps.arrive, [])) === 'OK') return
    const { username } = move.account
    // The account was renamed again, or deleted: its keys under this name were removed before.
    if ((await this.#run(username, move, steps.stay, [])) !== 'MOVED') return
    const { account } = this.#options.engine.keysOf(username)
    const back = `redis-cli HDEL '${account}' movesTo moved`
    throw new StoreUnavailable(
      `${move.to} has lost the account ${username}, of which the old keys are there. To go back to them: ${back}`,
    )
  }

  /** Gives the account back to its old name, unless the new one has it. */
  async #giveUp(move: Move): Promise<void> {
    if ((await this.#run(move.account.username, move, steps.stay, [])) !== 'MOVED') await this.#free(move)
  }

  async #free(move: Move): Promise<void> {
    await this.#run(move.to, move, steps.freeName, this.#prefixesOf(move.to))
  }

  /** Rejects unless the account is in this move. */
  async #atOld(move: Move, step: Script): Promise<void> {
    if ((await this.#run(move.account.username, move, step, [])) !== 'OK') throw ended(move)
  }

  /** As above, for the new name. */
  async #atNew(move: Move, step: Script, args: (string | Buffer)[]): Promise<Reply> {
    const done = await this.#run(move.to, move, step, args)
    if (done === 'ENDED') throw ended(move)
    return done
  }

  async #run(username: string, { account, number }: Move, step: Script, args: (string | Buffer)[]): Promise<Reply> {
    const { engine } = this.#options
    const { key, account: hash, documents, arriving } = engine.keysOf(username)
    const keys = [key, hash, documents, arriving, ...this.#bridgeOf(username, { account })]
    const [done] = await engine.run(step, keys, [account.id, number, ...args])
    return done!
  }

  /** The keys of the Audiobookshelf bridge. */
  #bridgeOf(username: string, { account }: Pick<Move, 'account'>): string[] {
    return Object.values(bridgeKeysOf(this.#options.engine.keysOf(username), account.id))
  }

  /** The key prefixes of records and histories. */
  #prefixesOf(username: string): [records: string, histories: string] {
    const { records, histories } = this.#options.engine.keysOf(username)
    return [records, histories]
  }
}

function ended({ account: { username }, to }: Move): StoreUnavailable {
  return new StoreUnavailable(`Another command gave up renaming ${username} to ${to}, or renamed it to another name`)
}
