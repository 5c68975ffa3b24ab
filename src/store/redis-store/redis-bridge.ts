import type { Account } from '../store.ts'
import { addLine, extendLease, listFields, readField, writeField } from './bridge-scripts.ts'
import type { Engine, Reply } from './engine.ts'
import { bridgeKeysOf, globalKeys, type BridgeKeys } from './keys.ts'
import type { Script } from './scripts.ts'
import { StoreUnavailable } from './unavailable.ts'

const { bridgeOutbox, bridgeBook, bridgeLease } = globalKeys

type Owner = Pick<Account, 'username' | 'id'>

/** The Audiobookshelf bridge's data on the engine. It goes with its account. */
export class RedisBridge {
  readonly #engine: Engine

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** The value; undefined if there is none; `same` if it still has the revision. */
  async getField(
    owner: Owner,
    hash: 'data' | 'outbox',
    field: string,
    revision: string,
  ): Promise<{ value: string | undefined } | 'same'> {
    const [done, value] = await this.#run(owner, hash, readField, [field, revision])
    return done === 'SAME' ? 'same' : { value: (value as string | null | undefined) ?? undefined }
  }

  /** Stores the value; '' removes it. False if the stored one has another revision. */
  async setField(
    owner: Owner,
    hash: 'data' | 'outbox',
    field: string,
    revision: string,
    value: string,
  ): Promise<boolean> {
    const [done] = await this.#run(owner, hash, writeField, [field, revision, value])
    return done !== 'RETRY'
  }

  async listValues(owner: Owner, hash: 'data' | 'outbox'): Promise<string[]> {
    const [, fields = []] = (await this.#run(owner, hash, listFields, [])) as [string, string[]?]
    return fields.filter((_each, at) => at % 2 === 1)
  }

  async addEvent(owner: Owner, line: string, most: number): Promise<void> {
    await this.#run(owner, 'events', addLine, [line, most])
  }

  async listEvents({ username, id }: Owner): Promise<string[]> {
    const { events } = bridgeKeysOf(this.#engine.keysOf(username), id)
    return (await this.#engine.ask(['LRANGE', events, '0', '-1'])) as string[]
  }

  /** Sets when the first entry of the user is due, in milliseconds since 1970; undefined if there is none. */
  async setDue(username: string, due: number | undefined): Promise<void> {
    if (due === undefined) await this.#engine.ask(['ZREM', bridgeOutbox, username])
    else await this.#engine.ask(['ZADD', bridgeOutbox, `${due}`, username])
  }

  /** Users with an entry that was due at that time, the earliest first. */
  async listDue(time: number, most: number): Promise<string[]> {
    const words = ['ZRANGEBYSCORE', bridgeOutbox, '-inf', `${time}`, 'LIMIT', '0', `${most}`]
    return (await this.#engine.ask(words)) as string[]
  }

  async getBook(item: string): Promise<string | undefined> {
    return ((await this.#engine.ask(['GET', bridgeBook + item])) as string | null) ?? undefined
  }

  async putBook(item: string, text: string, seconds: number): Promise<void> {
    await this.#engine.ask(['SET', bridgeBook + item, text, 'EX', `${seconds}`])
  }

  /** Takes the lease for the token. False if another one holds it. */
  async takeLease(name: string, token: string, ms: number): Promise<boolean> {
    return (await this.#engine.ask(['SET', bridgeLease + name, token, 'NX', 'PX', `${ms}`])) !== null
  }

  /** Extends the token's lease; 0 ends it. False if the token does not hold it. */
  async extendLease(name: string, token: string, ms: number): Promise<boolean> {
    const [done] = await this.#engine.run(extendLease, [bridgeLease + name], [token, ms])
    return done === 1
  }

  async #run(owner: Owner, name: keyof BridgeKeys, script: Script, args: (string | number)[]): Promise<Reply[]> {
    const own = this.#engine.keysOf(owner.username)
    const key = bridgeKeysOf(own, owner.id)[name]
    const reply = await this.#engine.run(script, [own.key, own.account, key], [owner.id, '', ...args])
    if (reply[0] === 'MOVING') throw new StoreUnavailable(`The account ${owner.username} is being renamed`)
    return reply
  }
}
