import type { Finding } from '../finding.ts'
import { checkReserved } from './check-moves.ts'
import { checkAccount, checkFormat, checkRecord, checkRegistration } from './check-values.ts'
import type { Engine } from './engine.ts'
import { globalKeys, parseOwnKey } from './keys.ts'
import { fromRow, type Fields } from './records.ts'

type CheckedEngine = Pick<Engine, 'ask' | 'askAll' | 'run' | 'scan' | 'keysOf' | 'parseKey'>

export interface CheckOptions {
  /** Updates the index to the keys that exist. */
  mends?: boolean
  /** Called with the number of keys that are checked. */
  show?: (done: number, total: number) => void
  /** Aborts the check, which then throws an AbortError. */
  signal?: AbortSignal
}

/** The type and owner that a key is expected to have. */
interface Expected {
  type: string
  /** The account's name; undefined for a key that belongs to no account. */
  username?: string
  check: (key: string) => Promise<(Finding | undefined)[]>
}

/** Keys that are read at a time: a history may have a thousand rows. */
const readers = 50

/** Names of an index that are read at a time. */
const indexPage = 500

/**
 * Reads every key of kss and of the official server, and yields findings. Servers may change the keys meanwhile: a finding
 * counts only if a second read shows it too. Keys that kss does not know are left alone.
 */
export class Check {
  readonly #engine: CheckedEngine
  readonly #options: CheckOptions
  /** Users that have a finding for a missing account. */
  readonly #missing = new Set<string>()
  /** Names that the index lacks, and those that it has without a key. */
  #unlisted = 0
  #gone = 0

  constructor(engine: CheckedEngine, options: CheckOptions) {
    this.#engine = engine
    this.#options = options
  }

  async *findings(): AsyncGenerator<Finding> {
    const { mends, show, signal } = this.#options
    const isOwn = (await this.#ask('EXISTS', globalKeys.format)) === 1
    let done = 0
    const total = ((await this.#engine.askAll(['DBSIZE'])) as number[]).reduce((sum, size) => sum + size, 0)
    for await (const keys of this.#engine.scan('*')) {
      for (let at = 0; at < keys.length; at += readers) {
        signal?.throwIfAborted()
        const found = await Promise.all(keys.slice(at, at + readers).map((key) => this.#checkKey(key)))
        yield* found.flat()
      }
      done += keys.length
      show?.(Math.min(done, total), total)
    }
    yield* this.#tellIndex(isOwn || mends === true)
  }

  async #checkKey(key: string): Promise<Finding[]> {
    const expected = this.#expect(key)
    if (!expected) return []
    const type = (await this.#ask('TYPE', key)) as string
    // The key was removed meanwhile.
    if (type === 'none') return []
    if (type !== expected.type) {
      const advice = 'give it another name with redis-cli RENAME, and look at what is in it'
      return [{ path: key, problem: `is a ${type}, not a ${expected.type}`, advice, damage: true }]
    }
    const { username } = expected
    const owner = username === undefined ? [] : await this.#checkOwner(key, username)
    return [...owner, ...(await expected.check(key))].filter((finding) => finding !== undefined)
  }

  /** Undefined for a key that kss does not know. */
  #expect(key: string): Expected | undefined {
    const { format: mark, users, registration, operators, invited, removed } = globalKeys
    if (key === mark) return { type: 'string', check: async () => checkFormat(key, await this.#ask('GET', key)) }
    if (key === registration)
      return { type: 'hash', check: async () => checkRegistration(key, await this.#readHash(key)) }
    if (key === users)
      return { type: 'zset', check: () => this.#checkIndex(key, (name) => this.#engine.keysOf(name).key) }
    if (key === operators) return { type: 'set', check: none }
    if (key === invited || key === removed) return { type: 'list', check: none }
    const { username, document } = this.#engine.parseKey(key) ?? {}
    if (username === undefined) return this.#expectOwn(key)
    const { documents } = this.#engine.keysOf(username)
    if (document === undefined) return { type: 'string', check: () => this.#checkListed(key, users, username) }
    const check = async (): Promise<(Finding | undefined)[]> => [
      ...checkRecord(key, document, await this.#readHash(key)),
      ...(await this.#checkListed(key, documents, document)),
    ]
    return { type: 'hash', username, check }
  }

  /** Findings for the keys that kss adds to an account. */
  #expectOwn(key: string): Expected | undefined {
    const { username, kind, document = '' } = parseOwnKey(key, this.#engine.parseKey) ?? {}
    if (username === undefined) return undefined
    const { records } = this.#engine.keysOf(username)
    if (kind === 'account')
      return { type: 'hash', username, check: async () => checkAccount(key, username, await this.#readHash(key)) }
    if (kind === 'documents')
      return { type: 'zset', username, check: () => this.#checkIndex(key, (name) => records + name) }
    return { type: 'list', username, check: () => this.#checkHistory(key, records + document, document) }
  }

  async #checkOwner(key: string, username: string): Promise<Finding[]> {
    const { key: credential } = this.#engine.keysOf(username)
    const isMissing = async (): Promise<boolean> => !(await this.#exists(credential)) && (await this.#exists(key))
    if (!(await isMissing()) || !(await isMissing()) || this.#missing.has(username)) return []
    this.#missing.add(username)
    const problem = `is missing, but ${key} is there: documents without an account`
    const advice = 'restore it, or remove what is left of the account'
    const reserved = await checkReserved(this.#engine, username, this.#options.mends === true)
    return reserved ?? [{ path: credential, problem, advice, damage: true }]
  }

  async #readHash(key: string): Promise<Fields> {
    return (await this.#ask('HGETALL', key)) as Fields
  }

  async #checkHistory(path: string, record: string, document: string): Promise<(Finding | undefined)[]> {
    const rows = (await this.#ask('LRANGE', path, '0', '-1')) as string[]
    const bad = rows.filter((row) => !fromRow(document, row)).length
    const problem = `has rows that cannot be read: ${bad}`
    const damaged = { path, problem, advice: 'remove them with redis-cli LREM: they are left out', damage: true }
    const isAlone = !(await this.#exists(record)) && (await this.#exists(path))
    const advice = 'nothing is to be done if the document was deleted: remove it'
    const alone = { path, problem: 'is of a document that is not there', advice, damage: false }
    return [bad > 0 ? damaged : undefined, isAlone ? alone : undefined]
  }

  /** A key that exists must be in the index. */
  async #checkListed(key: string, index: string, name: string): Promise<[]> {
    if (!(await this.#isIndex(index))) return []
    const isListed = async (): Promise<boolean> => (await this.#ask('ZSCORE', index, name)) !== null
    if ((await isListed()) || !(await this.#exists(key)) || (await isListed())) return []
    this.#unlisted += 1
    if (this.#options.mends) await this.#ask('ZADD', index, '0', name)
    return []
  }

  /** A name in the index must have its key. */
  async #checkIndex(index: string, keyOf: (name: string) => string): Promise<[]> {
    let last: string | undefined
    do {
      const from = last === undefined ? '-' : `(${last}`
      const names = (await this.#ask('ZRANGEBYLEX', index, from, '+', 'LIMIT', '0', `${indexPage}`)) as string[]
      await Promise.all(names.map((name) => this.#checkNamed(index, name, keyOf(name))))
      last = names.length < indexPage ? undefined : names.at(-1)
    } while (last !== undefined)
    return []
  }

  async #checkNamed(index: string, name: string, key: string): Promise<void> {
    if (await this.#exists(key)) return
    if ((await this.#ask('ZSCORE', index, name)) === null || (await this.#exists(key))) return
    this.#gone += 1
    if (!this.#options.mends) return
    await this.#ask('ZREM', index, name)
    // The key was created meanwhile.
    if (await this.#exists(key)) await this.#ask('ZADD', index, '0', name)
  }

  *#tellIndex(isWhole: boolean): Generator<Finding> {
    const path = globalKeys.users
    // A list adds new users and documents of another server.
    if (isWhole && this.#unlisted > 0) {
      const problem = `users or documents that are not in the index: ${this.#unlisted}`
      yield { path, problem, repair: 'adds them', damage: false }
    }
    if (this.#gone > 0) {
      const problem = `users or documents of the index that are not there: ${this.#gone}`
      yield { path, problem, repair: 'takes them out', damage: false }
    }
  }

  async #isIndex(key: string): Promise<boolean> {
    return ['zset', 'none'].includes((await this.#ask('TYPE', key)) as string)
  }

  async #exists(key: string): Promise<boolean> {
    return (await this.#ask('EXISTS', key)) === 1
  }

  #ask(...words: string[]): ReturnType<Engine['ask']> {
    return this.#engine.ask(words)
  }
}

async function none(): Promise<[]> {
  return []
}
