import { nextProgress, type Progress } from '../../kosync/protocol.ts'
import { StaleAccount } from '../account.ts'
import { addDocument, type MergedRows } from '../add-document.ts'
import { keptRows, mergeRows, rowOf } from '../file-store/files/rows.ts'
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
import type { Engine } from './engine.ts'
import type { Indexes } from './indexes.ts'
import { bridgeKeysOf, globalKeys } from './keys.ts'
import type { Moves } from './move-user.ts'
import { fromRows, toFields, toObject, toProgress, toProgressOr, toRow, type Fields } from './records.ts'
import * as scripts from './scripts.ts'
import type { RedisStore } from './redis-store.ts'
import type { Survey } from './survey.ts'

export interface RedisAdminOptions {
  engine: Engine
  store: Pick<Store, 'getUser'> & Pick<RedisStore, 'change' | 'runFor'>
  survey: Survey
  indexes: Indexes
  moves: Moves
  /** The user is not at hand any more. */
  forget: (username: string) => unknown
  /** Rows of a history at most, 0 for any number, -1 for none. */
  rows: number
}

/** A document as it is read and replaced. */
interface Edited {
  document: string
  record: Progress | undefined
  rows: Progress[]
}

/** Milliseconds that the index of another server's documents may be old when they are listed. */
const indexMs = 60_000

/** Documents of a page with their histories. */
const exported = 20

const { users, operators, registration } = globalKeys

/** What only operators do. Changes of documents are read, made here, and stored if nothing else changed them meanwhile. */
export class RedisAdmin implements Admin {
  readonly #options: RedisAdminOptions

  constructor(options: RedisAdminOptions) {
    this.#options = options
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
        // It was removed meanwhile.
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

  async listDocuments(account: Account, cursor?: string, limit = 500): Promise<DocumentPage> {
    const { engine, store, survey } = this.#options
    await survey.findDocuments(indexMs)
    const { documents: index, records } = engine.keysOf(account.username)
    const args = [cursor === undefined ? '-' : `(${cursor}`, limit + 1, records]
    const [, reply] = await store.runFor(account, scripts.listRecords, [index], args, '')
    const found = reply as (string | Fields)[]
    const [documents, problems]: [Progress[], string[]] = [[], []]
    for (let at = 0; at < Math.min(found.length, 2 * limit); at += 2) {
      const [document, fields] = [found[at] as string, found[at + 1]!]
      // The other server removed it.
      if (Array.isArray(fields) && fields.length === 0) continue
      try {
        documents.push(toProgress(document, Array.isArray(fields) ? fields : []))
      } catch (error) {
        problems.push((error as Error).message)
        const newest = (await this.#readRows(account, document).catch(() => [])).at(-1)
        if (newest) documents.push(newest)
      }
    }
    return { documents, problems, ...(found.length > 2 * limit && { next: found[2 * limit - 2] as string }) }
  }

  async exportAccount(account: Account, cursor?: string): Promise<ExportPage> {
    const { documents, ...page } = await this.listDocuments(account, cursor, exported)
    const withRows = documents.map(async (record) => {
      const rows = await this.#readRows(account, record.document).catch((error: unknown) => {
        const where = `the history of document ${JSON.stringify(record.document)}`
        page.problems.push(`${where}: ${(error as Error).message}`)
        return []
      })
      return { record, rows: rows.length > 0 ? rows : [record] }
    })
    return { ...page, documents: await Promise.all(withRows) }
  }

  /** The rows of the document's history that can be read. */
  async #readRows({ username }: Account, document: string): Promise<Progress[]> {
    const { engine } = this.#options
    const key = engine.keysOf(username).histories + document
    return fromRows(document, (await engine.ask(['LRANGE', key, '0', '-1'])) as string[])
  }

  async importAccount(account: Account, documents: MergedDocument[]): Promise<Merged> {
    const merged = { documents: documents.length, latest: 0, rows: 0 }
    for (const added of documents) {
      let result: MergedRows
      await this.#edit(account, [added.rows[0]!.document], ([before]) => {
        result = addDocument(before!, added)
        return [{ ...before!, ...result }]
      })
      merged.latest += Number(result!.isLatest)
      merged.rows += result!.added
    }
    return merged
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

  async deleteProgress(account: Account, document: string): Promise<boolean> {
    return await this.#edit(account, [document], ([before]) =>
      before!.record ? [{ document, record: undefined, rows: [] }] : undefined,
    )
  }

  async putTitle(account: Account, document: string, title: string): Promise<boolean> {
    return await this.#edit(account, [document], ([before]) => {
      if (!before!.record) return undefined
      const { title: _before, ...record } = before!.record
      return [{ ...before!, record: title === '' ? record : { ...record, title } }]
    })
  }

  async mergeDocuments(account: Account, from: string, into: string): Promise<boolean> {
    return await this.#edit(account, [from, into], ([moved, target]) => {
      if (!moved!.record || !target!.record || from === into) return undefined
      const renamed = { ...moved!.record, document: into }
      const isNewer = renamed.timestamp > target!.record.timestamp
      const record = isNewer ? nextProgress(target!.record, renamed) : nextProgress(renamed, target!.record)
      const rows = mergeRows(
        this.#rowsOf(target!),
        this.#rowsOf(moved!).map((row) => ({ ...row, document: into })),
      )
      return [
        { document: from, record: undefined, rows: [] },
        { document: into, record, rows },
      ]
    })
  }

  async pruneHistory(account: Account, keep: number, since: number, document?: string): Promise<number> {
    if (document === undefined) return await this.#pruneAll(account, keep, since)
    let gone = 0
    await this.#edit(account, [document], ([before]) => {
      const rows = keptRows(before!.rows, keep, since)
      gone = before!.rows.length - rows.length
      return gone > 0 ? [{ ...before!, rows }] : undefined
    })
    return gone
  }

  async #pruneAll(account: Account, keep: number, since: number): Promise<number> {
    let gone = 0
    // An earlier generation may change nothing, not even where there is nothing to change.
    await this.#edit(account, [], () => undefined)
    for await (const { documents } of eachPage((cursor) => this.listDocuments(account, cursor))) {
      for (const { document } of documents) gone += await this.pruneHistory(account, keep, since, document)
    }
    return gone
  }

  /** All that was acknowledged is where it belongs. */
  async flush(): Promise<boolean> {
    return true
  }

  /** Brings the index of users and documents up to what there is; all else is left to a person. */
  async repair(): Promise<Finding[]> {
    const found: Finding[] = []
    for await (const finding of this.#options.survey.check({ mends: true })) found.push(finding)
    return found
  }

  /** The history, with the record as its last row where one is kept. */
  #rowsOf({ rows, record }: Edited): Progress[] {
    return record && this.#options.rows >= 0 ? mergeRows(rows, [rowOf(record)]) : rows
  }

  /** Whether the work had something to change. It is done again when another process was faster. */
  async #edit(
    account: Account,
    documents: string[],
    work: (documents: Edited[]) => Edited[] | undefined,
  ): Promise<boolean> {
    const { engine, store, rows: most } = this.#options
    const { records, histories, documents: index } = engine.keysOf(account.username)
    const keys = documents.flatMap((document) => [records + document, histories + document])
    for (;;) {
      const [, sum, values] = await store.runFor(account, scripts.readDocuments, keys, [])
      const found = values as [Fields, ...string[][]]
      const before = documents.map((document, at) => {
        const rows = fromRows(document, found[2 * at + 1]!)
        return { document, record: toProgressOr(document, found[2 * at]!, rows), rows }
      })
      const edited = work(before)
      if (!edited) return false
      const args = edited.flatMap(({ document, record, rows }) => {
        const fields = record ? toFields(record) : []
        // Rows that cannot be read stay with the others.
        if (before.some((each) => each.rows === rows)) return [document, fields.length, ...fields, -1]
        const kept = most > 0 ? rows.slice(-most) : rows
        return [document, fields.length, ...fields, kept.length, ...kept.map(toRow)]
      })
      const [done] = await store.runFor(account, scripts.replaceDocuments, [index, ...keys], [sum as string, ...args])
      if (done === 'OK') return true
    }
  }
}
