import { nextProgress, type Progress } from '../../kosync/protocol.ts'
import { addDocument, type MergedRows } from '../add-document.ts'
import { endWith, keptRows, mergeRows } from '../file-store/files/rows.ts'
import { eachPage } from '../pages.ts'
import type { Account, Admin, DocumentPage, ExportPage, Merged, MergedDocument } from '../store.ts'
import type { Engine } from './engine.ts'
import { fromRows, toFields, toProgress, toProgressOr, toRow, type Fields } from './records.ts'
import * as scripts from './scripts.ts'
import type { RedisStore } from './redis-store.ts'
import type { Survey } from './survey.ts'

export interface RedisDocumentsOptions {
  engine: Engine
  store: Pick<RedisStore, 'runFor'>
  survey: Survey
  /** The most rows of a history; 0 for any number, -1 for no history. */
  rows: number
}

/** A document as it is read and written. */
interface Edited {
  document: string
  record: Progress | undefined
  rows: Progress[]
}

/** The greatest age of the index of another server's documents in a list, in milliseconds. */
export const indexMs = 60_000

/** Documents of a page with their histories. */
const exported = 20

type DocumentMethod =
  | 'listDocuments'
  | 'exportAccount'
  | 'importAccount'
  | 'deleteProgress'
  | 'putTitle'
  | 'mergeDocuments'
  | 'pruneHistory'

/**
 * Operators' commands on the documents of an account. Documents are read, changed here, and stored if no other process
 * changed them meanwhile.
 */
export class RedisDocuments implements Pick<Admin, DocumentMethod> {
  readonly #options: RedisDocumentsOptions

  constructor(options: RedisDocumentsOptions) {
    this.#options = options
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
      const histories = [target!, moved!].map((each) => endWith(each.rows, each.record!))
      const hasHistory = this.#options.rows >= 0 || target!.rows.length + moved!.rows.length > 0
      const rows = mergeRows(
        histories[0]!,
        histories[1]!.map((row) => ({ ...row, document: into })),
      )
      return [
        { document: from, record: undefined, rows: [] },
        { document: into, record, rows: hasHistory ? endWith(rows, record) : [] },
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
    // A stale account is refused, also if there is nothing to change.
    await this.#edit(account, [], () => undefined)
    for await (const { documents } of eachPage((cursor) => this.listDocuments(account, cursor))) {
      for (const { document } of documents) gone += await this.pruneHistory(account, keep, since, document)
    }
    return gone
  }

  /** Whether the work had something to change. It runs again if another process changed the documents meanwhile. */
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
        // Rows that cannot be read are kept.
        if (before.some((each) => each.rows === rows)) return [document, fields.length, ...fields, -1]
        const kept = most > 0 ? rows.slice(-most) : rows
        return [document, fields.length, ...fields, kept.length, ...kept.map(toRow)]
      })
      const [done] = await store.runFor(account, scripts.replaceDocuments, [index, ...keys], [sum as string, ...args])
      if (done === 'OK') return true
    }
  }
}
