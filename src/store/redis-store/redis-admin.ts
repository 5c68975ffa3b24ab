import { StaleAccount } from '../account.ts'
import type { Finding } from '../finding.ts'
import { eachPage } from '../pages.ts'
import type {
  Account,
  AccountPage,
  AccountSummary,
  Admin,
  DocumentPage,
  ExportPage,
  Merged,
  MergedDocument,
  Quota,
  Registration,
  Store,
  User,
  UserPage,
} from '../store.ts'
import type { Indexes } from './indexes.ts'
import { bridgeKeysOf, globalKeys } from './keys.ts'
import type { Moves } from './move-user.ts'
import { toObject, type Fields } from './records.ts'
import { indexMs, RedisDocuments, type RedisDocumentsOptions } from './redis-documents.ts'
import * as scripts from './scripts.ts'
import type { RedisStore } from './redis-store.ts'

export interface RedisAdminOptions extends RedisDocumentsOptions {
  store: Pick<Store, 'getUser'> & Pick<RedisStore, 'change' | 'runFor'>
  indexes: Indexes
  moves: Moves
  /** Called when the user may no longer be taken from memory. */
  forget: (username: string) => unknown
}

const { users, operators, registration } = globalKeys

/** The Redis store's implementation of Admin. */
export class RedisAdmin implements Admin {
  readonly #options: RedisAdminOptions
  readonly #documents: RedisDocuments

  constructor(options: RedisAdminOptions) {
    this.#options = options
    this.#documents = new RedisDocuments(options)
  }

  async listUsers(cursor?: string, limit = 200): Promise<UserPage> {
    const { engine, store, survey } = this.#options
    await survey.findDocuments(indexMs)
    const from = cursor === undefined ? '-' : `(${cursor}`
    const words = ['ZRANGEBYLEX', users, from, '+', 'LIMIT', '0', String(Number.isFinite(limit) ? limit + 1 : -1)]
    const [total, names] = (await Promise.all([engine.ask(['ZCARD', users]), engine.ask(words)])) as [number, string[]]
    const shown = names.slice(0, limit)
    const damaged: string[] = []
    const found = await Promise.all(
      shown.map(async (name) => {
        try {
          return await store.getUser(name)
        } catch (error) {
          damaged.push(`user ${JSON.stringify(name)}: ${(error as Error).message}`)
          return undefined
        }
      }),
    )
    const next = names.length > limit ? { next: shown.at(-1)! } : {}
    return { users: found.filter((user): user is User => user !== undefined), damaged, total, ...next }
  }

  async listAccounts(cursor?: string, limit?: number): Promise<AccountPage> {
    const { users: listed, ...page } = await this.listUsers(cursor, limit)
    const accounts: AccountSummary[] = []
    for (const { account } of listed) {
      try {
        accounts.push(await this.getSummary(account))
      } catch (error) {
        // The account was removed meanwhile.
        if (!(error instanceof StaleAccount)) throw error
      }
    }
    return { ...page, accounts }
  }

  async getSummary(account: Account): Promise<AccountSummary> {
    const { engine, store } = this.#options
    const problems: string[] = []
    const devices = new Set<string>()
    let [documents, lastSync] = [0, -Infinity]
    for await (const page of eachPage((cursor) => this.listDocuments(account, cursor))) {
      problems.push(...page.problems)
      documents += page.documents.length
      for (const { device, device_id, timestamp } of page.documents) {
        devices.add(device_id ?? device)
        lastSync = Math.max(lastSync, timestamp)
      }
    }
    const user = await store.getUser(account.username)
    if (user?.account.id !== account.id) throw new StaleAccount(account, true)
    const { bytes = '0', changed } = toObject(
      (await engine.ask(['HGETALL', engine.keysOf(account.username).account])) as Fields,
    )
    return {
      account: user.account,
      disabled: user.disabled ?? false,
      admin: user.admin ?? false,
      ...(user.quota && { quota: user.quota }),
      documents,
      devices: devices.size,
      bytes: Number(bytes),
      ...(documents > 0 && { lastSync }),
      lastActive: documents > 0 ? lastSync : Number(changed),
      problems,
    }
  }

  listDocuments(account: Account, cursor?: string, limit?: number): Promise<DocumentPage> {
    return this.#documents.listDocuments(account, cursor, limit)
  }

  exportAccount(account: Account, cursor?: string): Promise<ExportPage> {
    return this.#documents.exportAccount(account, cursor)
  }

  importAccount(account: Account, documents: MergedDocument[]): Promise<Merged> {
    return this.#documents.importAccount(account, documents)
  }

  deleteProgress(account: Account, document: string): Promise<boolean> {
    return this.#documents.deleteProgress(account, document)
  }

  putTitle(account: Account, document: string, title: string): Promise<boolean> {
    return this.#documents.putTitle(account, document, title)
  }

  mergeDocuments(account: Account, from: string, into: string): Promise<boolean> {
    return this.#documents.mergeDocuments(account, from, into)
  }

  pruneHistory(account: Account, keep: number, since: number, document?: string): Promise<number> {
    return this.#documents.pruneHistory(account, keep, since, document)
  }

  async renameUser(account: Account, to: string): Promise<boolean> {
    const { engine, store, survey, indexes, forget, moves } = this.#options
    if (engine.isCluster) return await moves.move(account, to)
    const [from, other] = [engine.keysOf(account.username), engine.keysOf(to)]
    await survey.findDocuments(0)
    const [kept, moved] = [bridgeKeysOf(from, account.id), bridgeKeysOf(other, account.id)]
    const more = [kept.data, moved.data, kept.outbox, moved.outbox, kept.events, moved.events]
    const [done] = await store.runFor(
      account,
      scripts.renameUser,
      [from.documents, other.key, other.account, other.documents, ...more],
      [from.records, from.histories, other.records, other.histories],
    )
    forget(account.username)
    forget(to)
    if (done !== 'OK') return false
    await Promise.all([indexes.update(account.username), indexes.update(to), indexes.moveOutbox(account.username, to)])
    return true
  }

  async setDisabled(account: Account, disabled: boolean): Promise<void> {
    const args = disabled ? ['1', 'disabled', '1'] : ['0', 'disabled', '']
    await this.#options.store.change(account, ['', '', ...args])
  }

  async setQuota(account: Account, { documents, bytes }: Partial<Quota>): Promise<void> {
    const args = ['quotaDocuments', String(documents ?? ''), 'quotaBytes', String(bytes ?? '')]
    await this.#options.store.change(account, ['', '', '0', ...args])
  }

  async setAdmin(account: Account, isAdmin: boolean): Promise<void> {
    await this.#options.store.change(account, ['', '', '0', 'admin', isAdmin ? '1' : ''])
    await this.#options.indexes.setOperator(account.id, isAdmin)
  }

  async hasOperator(): Promise<boolean> {
    return (await this.#options.engine.ask(['EXISTS', operators])) === 1
  }

  async setRegistration({ open, until }: Pick<Registration, 'open' | 'until'>): Promise<void> {
    const { engine } = this.#options
    const said = [
      ...(open === undefined ? [] : ['open', `${open}`]),
      ...(until === undefined ? [] : ['until', `${until}`]),
    ]
    await engine.run(scripts.replaceHash, [registration], said)
  }

  async setInvited(username: string, isInvited: boolean): Promise<void> {
    await this.#options.indexes.setInvited(username, isInvited)
  }

  async setRemoved(usernames: string[], isRemoved: boolean): Promise<void> {
    for (const username of usernames) await this.#options.indexes.setRemoved(username, isRemoved)
  }

  /** Always true: acknowledged changes are where they belong. */
  async flush(): Promise<boolean> {
    return true
  }

  /** Updates the index of users and documents; other findings are left to the operator. */
  async repair(): Promise<Finding[]> {
    const found: Finding[] = []
    for await (const finding of this.#options.survey.check({ mends: true })) found.push(finding)
    return found
  }
}
