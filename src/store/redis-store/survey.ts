import type { Finding } from '../finding.ts'
import { Check, type CheckOptions } from './check.ts'
import { format } from './check-values.ts'
import type { Engine } from './engine.ts'
import { globalKeys } from './keys.ts'
import { StoreUnavailable } from './unavailable.ts'

/** The properties of an engine, for its operator. */
export interface Findings {
  /** Whether kss created the database; otherwise another server may use it too, and plain keys are not hashed. */
  isOwn: boolean
  /** Lines for a person. */
  warnings: string[]
}

/** Examines an engine and its database. */
export class Survey {
  readonly #engine: Engine
  #isOwn: boolean | undefined
  /** performance.now() of the last full index of the documents. */
  #found = -Infinity

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** Whether kss created the database; false while that is unknown. */
  get isOwn(): boolean {
    return this.#isOwn ?? false
  }

  /** Marks an empty database as kss's own. Rejects with StoreUnavailable, or for a database of a newer kss. */
  async look(): Promise<Findings> {
    let found = await this.#readFormat()
    if (found === null && !(await this.#hasUsers())) {
      await this.#engine.ask(['SET', globalKeys.format, `${format}`, 'NX'])
      found = await this.#readFormat()
    }
    this.#isOwn = found !== null
    return { isOwn: this.#isOwn, warnings: [...(await this.#readPersistence()), ...(await this.#readRole())] }
  }

  /** Throws StoreUnavailable for a database of a newer kss: from then on the engine gets no other command. */
  async #readFormat(): Promise<string | null> {
    const found = (await this.#engine.askAnyway(['GET', globalKeys.format])) as string | null
    const isKnown = found === null || Number(found) === format
    const reason = `The database has format ${found}, and this kss knows only ${format}. Install a newer kss-server.`
    const refusal = isKnown ? undefined : new StoreUnavailable(reason)
    this.#engine.refuse(refusal)
    if (refusal) throw refusal
    return found
  }

  /** Whether another server stored an account: kss itself counts log-ins in a database that was emptied. */
  async #hasUsers(): Promise<boolean> {
    for await (const keys of this.#engine.scan('user:*')) {
      if (keys.length > 0) return true
    }
    return false
  }

  /** Reads every key and yields findings. Does not mark the database. */
  check(options: CheckOptions = {}): AsyncGenerator<Finding> {
    return new Check(this.#engine, options).findings()
  }

  /** What a power cut would lose. Some engines, and some users of an engine, have no CONFIG. */
  async #readPersistence(): Promise<string[]> {
    const read = async (name: string): Promise<string[]> => {
      const replies = (await this.#engine.askAll(['CONFIG', 'GET', name]).catch(() => [])) as string[][]
      return replies.map(([, value]) => value!)
    }
    const [appendonly, appendfsync] = [await read('appendonly'), await read('appendfsync')]
    if (appendonly.length === 0)
      return ['The engine does not tell what a power cut would cost (CONFIG GET appendonly).']
    if (appendonly.includes('no'))
      return ['A power cut costs all positions since the last snapshot of Redis: appendonly is no.']
    const worst = ['no', 'everysec'].find((each) => appendfsync.includes(each))
    if (worst === undefined) return []
    return [
      worst === 'everysec'
        ? 'A power cut costs the positions of the last second: appendfsync is everysec, not always.'
        : `A power cut costs what the system has not written yet: appendfsync is ${worst}, not always.`,
    ]
  }

  async #readRole(): Promise<string[]> {
    const roles = (await this.#engine.askAll(['ROLE']).catch(() => [])) as string[][]
    return roles.some(([role]) => role === 'slave')
      ? ['This Redis is a replica: positions cannot be stored. Name its master in KSS_STORE.']
      : []
  }

  /**
   * Adds the users and documents of another server to the index, unless that was done less than so many milliseconds ago.
   * Does nothing on a database that only kss writes to.
   */
  async findDocuments(sinceMs: number): Promise<void> {
    this.#isOwn ??= (await this.#engine.ask(['GET', globalKeys.format])) !== null
    if (this.#isOwn || performance.now() - this.#found < sinceMs) return
    const began = performance.now()
    await this.#findAll()
    this.#found = began
  }

  async #findAll(): Promise<void> {
    const { parseKey, keysOf } = this.#engine
    for await (const keys of this.#engine.scan('user:*')) {
      const replies = keys.map(async (key) => {
        const { username, document } = parseKey(key) ?? {}
        if (username === undefined) return
        const [index, name] =
          document === undefined ? [globalKeys.users, username] : [keysOf(username).documents, document]
        await this.#engine.ask(['ZADD', index, '0', name])
      })
      await Promise.all(replies)
    }
  }
}
