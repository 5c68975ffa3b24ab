import type { Progress } from '../kosync/protocol.ts'
import { toProgress } from '../store/file-store/files/progress-file.ts'
import { quoteAny } from './one-line.ts'
import type { ImportedDocument, ImportedUser, Problem } from './source.ts'
import { isDocument, isKey, isText, isTooLarge, isUsername } from './wire-rules.ts'

/** An account of another server, not validated yet. */
export interface Account {
  username: unknown
  /** Undefined when the other server does not give it. */
  key?: unknown
  /** The form of a key on that server. A key of another form is refused, since it could let a stranger in. */
  keyPattern?: RegExp
}

/** A record of another server, with the field names of the wire and the title that its user gave the document. */
export interface Row {
  fields: Record<string, unknown>
  title?: string | undefined
}

/** Yields the problems, then the user with the rows grouped by document. A row without a time gets `rowTime`. */
export function* toUser(account: Account, rows: Iterable<Row>, rowTime: number): Generator<ImportedUser | Problem> {
  const { username } = account
  const where = `user ${quoteAny(username)}`
  if (!isUsername(username)) {
    yield { problem: `${where}: cannot be a user name here`, username }
    return
  }
  const documents = new Map<string, ImportedDocument>()
  for (const row of rows) {
    const problem = add(documents, row, rowTime, where)
    if (problem !== undefined) yield { problem, username }
  }
  const key = readKey(account)
  if (account.key !== undefined && key === undefined)
    yield { problem: `${where}: the key cannot be used here`, username }
  yield { username, ...(key !== undefined && { key }), documents: [...documents.values()] }
}

/** What to say of the records of somebody who has no account. */
export function orphanProblem(username: unknown, records: number): Problem {
  return { problem: `user ${quoteAny(username)}: has records (${records}), but no account there`, username }
}

/** Returns why the row is invalid and leaves it out; undefined when it was added. */
function add(
  documents: Map<string, ImportedDocument>,
  { fields, title }: Row,
  rowTime: number,
  where: string,
): string | undefined {
  const named = `${where}, document ${quoteAny(fields['document'])}`
  let row: Progress
  try {
    row = toProgress(fields, named, rowTime)
  } catch (error) {
    return (error as Error).message
  }
  if (!isDocument(row.document)) return `${named}: cannot be a document here`
  if (![row.progress, row.device, row.device_id ?? ''].every((text) => isText(text)))
    return `${named}: is not valid Unicode`
  if (isTooLarge(row)) return `${named}: is larger than any position of a reader`
  const known = documents.get(row.document)
  if (known) known.rows.push(row)
  else documents.set(row.document, { rows: [row], ...(title !== undefined && { title }) })
  return undefined
}

function readKey({ key, keyPattern }: Account): string | undefined {
  return isKey(key) && (keyPattern?.test(key) ?? true) ? key : undefined
}
