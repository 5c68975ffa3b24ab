import { keyOfPassword } from '../kosync/credentials.ts'
import { SourceError, type Problem, type Source } from './source.ts'
import { readTime } from '../foreign-time.ts'
import { toUser, type Row } from './to-user.ts'

/** The administrator's account; its name is `admin` by default. */
export interface Admin {
  username: string
  password: string
}

/** Limit of an answer, in bytes: about 300,000 documents. */
const answerLimit = 64 * 1024 * 1024

type Fetch = (path: string) => Promise<Record<string, unknown>[]>

/**
 * Reads a running kosync-dotnet through its management API, which returns no keys.
 * @see https://github.com/jberlyn/kosync-dotnet#management-api
 */
export async function* readKosyncDotnet(url: string, admin: Admin, timeoutMs: number = 10_000): Source {
  const fetchList = createFetch(url, admin, timeoutMs)
  for (const { username } of await fetchList('manage/users')) {
    if (typeof username === 'string') {
      const rows = await readRows(fetchList, username)
      yield* 'problem' in rows ? [rows] : toUser({ username }, rows, 0)
    } else yield { problem: 'a user without a name' }
  }
}

/** If the documents of one user cannot be read, the other users are imported all the same. */
async function readRows(fetchList: Fetch, username: string): Promise<Row[] | Problem> {
  try {
    const records = await fetchList(`manage/users/documents?username=${encodeURIComponent(username)}`)
    return records.map((record) => ({ fields: toFields(record) }))
  } catch (error) {
    return { problem: `user ${JSON.stringify(username)}: ${(error as SourceError).message}`, username }
  }
}

function toFields({
  documenthash,
  document,
  progress,
  percentage,
  device,
  deviceid,
  timestamp,
}: Record<string, unknown>) {
  return {
    document: documenthash ?? document,
    progress,
    percentage,
    device,
    device_id: deviceid,
    timestamp: readTime(timestamp),
  }
}

function createFetch(url: string, { username, password }: Admin, timeoutMs: number): Fetch {
  // fetch encodes header values as latin1: pass the UTF-8 bytes as latin1 characters.
  const headers = { 'x-auth-user': Buffer.from(username).toString('latin1'), 'x-auth-key': keyOfPassword(password) }
  const base = parseBase(url)
  return async (path) => {
    let text: string
    try {
      const signal = AbortSignal.timeout(timeoutMs)
      const response = await fetch(new URL(path, base), { headers, redirect: 'manual', signal })
      refuse(response, base)
      text = await readText(response, base)
    } catch (error) {
      if (error instanceof SourceError) throw error
      throw new SourceError(`${base.href} cannot be read: ${reason(error)}`, { cause: error })
    }
    return parseList(text, base)
  }
}

/** Like `response.text()`, with a size limit. */
async function readText({ body }: Response, { href }: URL): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body ?? []) {
    size += chunk.length
    if (size > answerLimit) throw new SourceError(`${href} answers with more than 64 MiB; is it a kosync-dotnet?`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/** The URL ends in a slash, so that relative paths resolve below it. */
function parseBase(url: string): URL {
  const base = URL.canParse(url) ? new URL(url) : undefined
  if (!base || !['http:', 'https:'].includes(base.protocol) || base.username || base.password) {
    throw new SourceError('This is not the address of a kosync-dotnet. Write it as http://localhost:8080')
  }
  base.search = base.hash = ''
  if (!base.pathname.endsWith('/')) base.pathname += '/'
  return base
}

function refuse({ status, headers, ok }: Response, { href }: URL): void {
  if (ok) return
  if (status === 401) throw new SourceError(`${href} refuses the name or the password of its administrator`)
  if (status === 404) throw new SourceError(`${href} has no management API; is it a kosync-dotnet?`)
  const target = headers.get('location')
  if (target === null) throw new SourceError(`${href} answers with the status ${status}`)
  throw new SourceError(`${href} redirects to ${JSON.stringify(target)}; give the address that needs no redirect`)
}

/** The objects, with field names in lower case and without underscores: releases and forks spell them differently. */
function parseList(text: string, { href }: URL): Record<string, unknown>[] {
  let list: unknown
  try {
    list = JSON.parse(text)
  } catch {
    // JSON that is not a list is reported with the same message.
  }
  if (!Array.isArray(list)) throw new SourceError(`${href} does not answer with a list; is it a kosync-dotnet?`)
  return list.map((record: unknown) => {
    const entries = Object.entries(record ?? {}).map(([name, value]) => [foldCase(name), value])
    return Object.fromEntries(entries) as Record<string, unknown>
  })
}

function foldCase(name: string): string {
  return name.replaceAll('_', '').toLowerCase()
}

/** The message of fetch is always `fetch failed`; the reason is in its cause. */
function reason(error: unknown): string {
  const { message, cause } = error as Error & { cause?: { code?: string; message?: string } }
  return (cause?.code ?? cause?.message ?? message).replaceAll('\n', ' ')
}
