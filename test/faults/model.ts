import type { Progress } from '../../src/kosync/protocol.ts'

/** What was asked of a document, and what of it the store may show. Positions are the numbers of pushes. */
export class DocumentModel {
  /** Each of them may be the latest position; undefined is none. There is one, unless a request failed. */
  #possible = new Set<number | undefined>([undefined])
  /** Those that the history must hold. */
  #acknowledged: number[] = []
  #sent: number[] = []

  send(push: number): void {
    this.#sent.push(push)
    this.#possible.add(push)
  }

  acknowledge(push: number): void {
    this.#possible = new Set([push])
    this.#acknowledged.push(push)
  }

  remove(): void {
    this.#possible = new Set([undefined])
    this.#acknowledged = []
    this.#sent = []
  }

  /** A removal was refused: it may have come as far as the record, or the history. */
  mayBeRemoved(): void {
    this.#possible.add(undefined)
    this.#acknowledged = []
  }

  /** All but the latest position may be gone, also after an error. */
  prune(): void {
    this.#acknowledged = []
  }

  /** The other document is a part of this one now: the newer position, and one history in the order of the pushes. */
  merge(other: DocumentModel): void {
    const positions = [...other.#possible].filter((position) => position !== undefined)
    const own = [...this.#possible].filter((position) => position !== undefined)
    this.#possible = new Set(own.flatMap((one) => positions.map((position) => Math.max(one, position))))
    this.#acknowledged.push(...other.#acknowledged)
    this.#sent.push(...other.#sent)
  }

  /** A merge was refused before the other document was removed: this one may have all of it already. */
  mayBeMerged(other: DocumentModel): void {
    this.#possible = new Set([...this.#possible, ...other.#possible])
    this.#sent.push(...other.#sent)
  }

  get mayBeMissing(): boolean {
    return this.#possible.has(undefined)
  }

  /** What is wrong; undefined if nothing is. `limit` is that of the history, 0 for none. */
  check(record: Progress | undefined, history: readonly Progress[], limit: number): string | undefined {
    const position = record && Number(record.progress)
    const rows = history.map(({ progress }) => Number(progress))
    if (!this.#possible.has(position))
      return `it is at ${position}, but may be at ${[...this.#possible].join(' or ')} alone`
    const stranger = rows.find((row) => !this.#sent.includes(row))
    if (stranger !== undefined) return `its history has ${stranger}, which was pushed to another document`
    if (new Set(rows).size < rows.length) return `its history has a row twice: ${rows.join(', ')}`
    if (rows.some((row, index) => row < (rows[index - 1] ?? 0))) return `its history is in disorder: ${rows.join(', ')}`
    if (this.mayBeMissing) return undefined
    const oldest = limit > 0 && rows.length >= limit ? rows[0]! : 0
    const missing = this.#acknowledged.filter((push) => push >= oldest && !rows.includes(push))
    return missing.length > 0 ? `its history lacks ${missing.join(', ')}: it has ${rows.join(', ')}` : undefined
  }
}

/** The documents and the keys of an account. */
export class AccountModel {
  /** There is one, unless a change was refused. */
  keys = new Set(['first'])
  readonly #documents = new Map<string, DocumentModel>()

  get(document: string): DocumentModel {
    const known = this.#documents.get(document)
    if (known) return known
    const added = new DocumentModel()
    this.#documents.set(document, added)
    return added
  }

  get documents(): Iterable<[string, DocumentModel]> {
    return this.#documents
  }
}
