import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { IRateLimiterOptions, RateLimiterAbstract } from 'rate-limiter-flexible'
import type { Progress } from '../../kosync/protocol.ts'
import { StaleAccount } from '../account.ts'
import { rowOf } from '../file-store/files/rows.ts'
import type { Account, NewUser, Now, Quota, Registration, Stats, Store, User } from '../store.ts'
import { Engine, type EngineOptions, type Reply } from './engine.ts'
import { EngineLimiter } from './engine-limiter.ts'
import { Indexes } from './indexes.ts'
import { bridgeKeysOf, globalKeys } from './keys.ts'
import { Moves } from './move-user.ts'
import { fromRows, rowWithoutTime, toFields, toObject, toProgress, type Fields } from './records.ts'
import { RedisAdmin } from './redis-admin.ts'
import { RedisBridge } from './redis-bridge.ts'
import { RedisSessions } from './redis-sessions.ts'
import * as scripts from './scripts.ts'
import { Survey } from './survey.ts'
import { AccountMoving } from './unavailable.ts'

export { hostOf } from './engine.ts'

/** A new document would be more than its account may keep. `code` is `QUOTA_REACHED`. */
class QuotaReached extends Error {
  readonly code = 'QUOTA_REACHED'
}

export interface RedisStoreOptions extends EngineOptions {
  /** Whether a history is kept. */
  history?: boolean
  /** The most rows of a history; 0 for any number. */
  historyLimit?: number
  /** The quota of an account that has none of its own. */
  quota?: Quota
  /** Milliseconds that a rename in a cluster keeps the copy under the old name. */
  settleMs?: number
}

/** After this time, an engine that flushes its log each second has done so. */
const defaults = { history: true, historyLimit: 1000, quota: { documents: 0, bytes: 0 }, settleMs: 2000 }

/** Milliseconds that an account is cached: a change of another process is seen within a second. */
const cachedMs = 900

const { invited, removed, registration } = globalKeys

/**
 * Accounts and positions on an engine that speaks the Redis protocol, in the layout of the official server. This
 * process caches only accounts, for less than a second, so that any number of processes serve the same accounts. A promise
 * resolves when the engine has answered; the engine's settings decide what a power cut may lose. @see docs/redis.md
 */
export class RedisStore implements Store {
  readonly #options: Required<Omit<RedisStoreOptions, keyof EngineOptions>>
  readonly #engine: Engine
  readonly #users = new LRUCache<string, User>({ max: 10_000, ttl: cachedMs })
  readonly #indexes: Indexes
  readonly #moves: Moves
  readonly admin: RedisAdmin
  readonly sessions: RedisSessions
  readonly bridge: RedisBridge
  readonly survey: Survey
  readonly stats: Stats

  private constructor(engine: Engine, { history, historyLimit, quota, settleMs }: RedisStoreOptions) {
    this.#options = {
      history: history ?? defaults.history,
      historyLimit: historyLimit ?? defaults.historyLimit,
      quota: quota ?? defaults.quota,
      settleMs: settleMs ?? defaults.settleMs,
    }
    this.#engine = engine
    this.#indexes = new Indexes(engine)
    this.survey = new Survey(engine)
    const forget = (username: string): unknown => this.#users.delete(username)
    const rows = this.#options.history ? this.#options.historyLimit : -1
    const parts = { engine, store: this, survey: this.survey, indexes: this.#indexes, forget }
    this.#moves = new Moves({ ...parts, settle: () => sleep(this.#options.settleMs) })
    this.admin = new RedisAdmin({ ...parts, moves: this.#moves, rows })
    this.sessions = new RedisSessions(engine)
    this.bridge = new RedisBridge(engine)
    const none = { flushes: 0, flushSeconds: 0, logBytes: 0, lagSeconds: 0, cacheHits: 0, cacheMisses: 0 }
    this.stats = { failure: () => engine.failure, figures: () => none }
  }

  /** Resolves also if the engine is unavailable: see `stats`. Throws MissingPackage. */
  static async open(options: RedisStoreOptions): Promise<RedisStore> {
    return new RedisStore(await Engine.open(options), options)
  }

  /** As Engine.watch. */
  watch(tell: (failure: Error | undefined) => void): void {
    this.#engine.watch(tell)
  }

  /** The limiter that shares its counts with all processes on the engine. */
  createLimiter(options: IRateLimiterOptions): RateLimiterAbstract {
    return new EngineLimiter(this.#engine, options)
  }

  getUser(username: string): Now<User | undefined> {
    return this.#users.get(username) ?? this.#findUser(username)
  }

  async #findUser(username: string): Promise<User | undefined> {
    const { key, account } = this.#engine.keysOf(username)
    let reply = await this.#engine.run(scripts.findUser, [key, account], [])
    if (reply[0] === 'NEW') {
      reply = await this.#engine.run(scripts.adoptUser, [key, account], [randomBytes(16).toString('hex')])
    }
    const [found, stored, fields] = reply
    if (found === 'NONE') {
      // A look-up of the name must find it among the removed ones.
      if (typeof stored === 'string') await this.#indexes.update(username, stored)
      return undefined
    }
    const { user, isUnlisted, movesTo } = toUser(username, stored as string, fields as Fields)
    if (movesTo !== undefined) throw new AccountMoving(user.account, movesTo)
    if (isUnlisted) void this.#index(username)
    this.#users.set(username, user)
    return user
  }

  /** Never rejects: the next look-up tries again. */
  async #index(username: string, gone?: string): Promise<void> {
    await this.#indexes.update(username, gone).catch(() => undefined)
  }

  async createUser({ username, key, disabled, adopted }: NewUser): Promise<boolean> {
    const keys = this.#engine.keysOf(username)
    const flags = [...(disabled ? ['disabled', '1'] : []), ...(adopted ? ['adopted', '1'] : [])]
    const args = [randomBytes(16).toString('hex'), key, ...flags]
    const [done] = await this.#engine.run(scripts.createUser, [keys.key, keys.account], args)
    this.#users.delete(username)
    if (done !== 'OK') return false
    await this.#index(username)
    return true
  }

  async setKey(account: Account, key: string): Promise<void> {
    await this.change(account, ['', key, '1', 'adopted', ''])
  }

  async upgradeKey(account: Account, current: string, key: string): Promise<void> {
    await this.change(account, [current, key, '0'])
  }

  /** The arguments of the script `changeUser` after the account. */
  async change(account: Account, args: string[]): Promise<void> {
    await this.runFor(account, scripts.changeUser, [], args)
    this.#users.delete(account.username)
  }

  async deleteUser(account: Account): Promise<void> {
    const { username, id } = account
    const own = this.#engine.keysOf(username)
    await this.survey.findDocuments(0)
    await this.#moves.complete(account)
    const keys = [own.documents, ...Object.values(bridgeKeysOf(own, id))]
    await this.runFor(account, scripts.deleteUser, keys, [own.records, own.histories])
    this.#users.delete(username)
    await this.#index(username, id)
  }

  async getRegistration(): Promise<Registration> {
    const [said, names, gone] = (await Promise.all([
      this.#engine.ask(['HGETALL', registration]),
      this.#engine.ask(['LRANGE', invited, '0', '-1']),
      this.#engine.ask(['LRANGE', removed, '0', '-1']),
    ])) as [Fields, string[], string[]]
    const { open, until } = toObject(said)
    return {
      ...(open !== undefined && { open: open === 'true' }),
      ...(until !== undefined && { until: Number(until) }),
      invited: names,
      ...(gone.length > 0 && { removed: gone }),
    }
  }

  async getProgress(account: Account, document: string): Promise<Progress | undefined> {
    const { records } = this.#engine.keysOf(account.username)
    const [, fields] = await this.runFor(account, scripts.getRecord, [records + document], [])
    try {
      return (fields as Fields).length === 0 ? undefined : toProgress(document, fields as Fields)
    } catch (error) {
      const newest = (await this.#readDocument(account, document)).rows.at(-1)
      if (newest) return newest
      throw error
    }
  }

  putProgress(account: Account, pushed: Progress): Promise<Progress> {
    return this.#put(account, pushed, '0')
  }

  addProgress(account: Account, record: Progress): Promise<Progress> {
    return this.#put(account, record, '1')
  }

  async #put(account: Account, pushed: Progress, adds: '0' | '1'): Promise<Progress> {
    const { document, timestamp, ...fields } = pushed
    const { documents, records, histories } = this.#engine.keysOf(account.username)
    const { quota, history, historyLimit } = this.#options
    const limits = [history ? historyLimit : -1, quota.documents, quota.bytes]
    const args = [document, timestamp, rowWithoutTime(pushed), ...limits, adds]
    const keys = [documents, records + document, histories + document]
    const record = toFields({ document, ...fields } as Progress)
    const [done, stored] = await this.runFor(account, scripts.putRecord, keys, [...args, ...record])
    if (done === 'QUOTA') throw new QuotaReached(`The account ${account.username} keeps as much as it may.`)
    return toProgress(document, stored as Fields)
  }

  async listHistory(account: Account, document: string): Promise<Progress[]> {
    const { fields, rows } = await this.#readDocument(account, document)
    return rows.length > 0 || fields.length === 0 ? rows : [rowOf(toProgress(document, fields))]
  }

  async #readDocument(account: Account, document: string): Promise<{ fields: Fields; rows: Progress[] }> {
    const { records, histories } = this.#engine.keysOf(account.username)
    const keys = [records + document, histories + document]
    const [, , [fields, rows]] = (await this.runFor(account, scripts.readDocuments, keys, [])) as [0, 0, Fields[]]
    return { fields: fields!, rows: fromRows(document, rows!) }
  }

  async close(): Promise<void> {
    this.#engine.close()
  }

  /** Runs a script that begins with `stale()`. Rejects with StaleAccount. */
  async runFor(
    account: Account,
    script: scripts.Script,
    keys: string[],
    args: (string | number)[],
    generation: string = String(account.generation),
  ): Promise<Reply[]> {
    const own = this.#engine.keysOf(account.username)
    const reply = await this.#engine.run(script, [own.key, own.account, ...keys], [account.id, generation, ...args])
    const [done] = reply
    if (done === 'GONE' || done === 'CHANGED' || done === 'MOVING') {
      this.#users.delete(account.username)
      throw done === 'MOVING'
        ? new AccountMoving(account, reply[1] as string)
        : new StaleAccount(account, done === 'GONE')
    }
    return reply
  }
}

function toUser(
  username: string,
  key: string,
  fields: Fields,
): { user: User; isUnlisted: boolean; movesTo: string | undefined } {
  const {
    id = '',
    unlisted,
    movesTo,
    generation,
    disabled,
    adopted,
    admin,
    quotaDocuments,
    quotaBytes,
  } = toObject(fields)
  const quota = {
    ...(quotaDocuments !== undefined && { documents: Number(quotaDocuments) }),
    ...(quotaBytes !== undefined && { bytes: Number(quotaBytes) }),
  }
  const user: User = {
    username,
    key,
    account: Object.freeze({ username, folder: username, id, generation: Number(generation) }),
    ...(disabled !== undefined && { disabled: true }),
    ...(adopted !== undefined && { adopted: true }),
    ...(admin !== undefined && { admin: true }),
    ...(Object.keys(quota).length > 0 && { quota }),
  }
  return { user, isUnlisted: unlisted !== undefined, movesTo }
}
