import { createHash } from 'node:crypto'
import { ask, bodyOf } from './answer.ts'
import type { Operation } from './options.ts'

export interface Reader {
  username: string
  key: string
  documents: string[]
}

/** Made-up readers, each with an equal share of the documents. */
export function makeReaders(users: number, documents: number): Reader[] {
  return Array.from({ length: users }, (_user, at) => {
    const username = `reader-${at}`
    const share = Array.from({ length: documents / users }, (_document, book) => md5(`${username} book ${book}`))
    return { username, key: md5(passwordOf(username)), documents: share }
  })
}

export function passwordOf(username: string): string {
  return `password of ${username}`
}

/** Registers the readers with a server, and pushes every document once. */
export async function seed(port: number, readers: Reader[]): Promise<void> {
  // One after the other: on a busy machine the queue of hashes refuses ten at once.
  for (const reader of readers) {
    await register(port, reader)
    await ask(port, requestOf('auth', reader, ''))
  }
  await Promise.all(
    readers.map(async (reader) => {
      for (const document of reader.documents) await ask(port, requestOf('put', reader, document))
    }),
  )
}

/** A request for each document, the readers taking turns. */
export function requestsOf(operation: Operation, readers: Reader[]): string[] {
  const [{ documents } = { documents: [] }] = readers
  return documents.flatMap((_document, book) =>
    readers.map((reader) => requestOf(operation, reader, reader.documents[book] ?? '')),
  )
}

/** What the bare server knows of each reader: the key, and the body of the answer to a GET of each document. */
export type BareData = { username: string; key: string; records: Record<string, string> }[]

/** Asks the server for all of it. */
export async function recordAnswers(port: number, readers: Reader[]): Promise<BareData> {
  const data: BareData = []
  for (const reader of readers) {
    const records: Record<string, string> = {}
    for (const document of reader.documents) {
      records[document] = bodyOf(await ask(port, requestOf('get', reader, document)))
    }
    data.push({ username: reader.username, key: reader.key, records })
  }
  return data
}

export const healthRequest = 'GET /healthcheck HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'

/** Throws unless the name is free. */
export async function register(port: number, { username, key }: Reader): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${port}/users/create`, {
    method: 'POST',
    body: JSON.stringify({ username, password: key }),
  })
  if (answer.status !== 201) throw new Error(`Cannot register ${username}: ${await answer.text()}`)
}

/** As KOReader sends it, but that the connection stays. */
function requestOf(operation: Operation, { username, key }: Reader, document: string): string {
  const line = { get: `GET /syncs/progress/${document}`, auth: 'GET /users/auth', put: 'PUT /syncs/progress' }[
    operation
  ]
  const body = operation === 'put' ? pushOf(document) : ''
  const headers = [
    `${line} HTTP/1.1`,
    'Host: 127.0.0.1',
    'User-Agent: LuaSocket 3.1.0',
    'Accept: application/vnd.koreader.v1+json',
    `x-auth-user: ${username}`,
    `x-auth-key: ${key}`,
    ...(body ? ['Content-Type: application/json', `Content-Length: ${body.length}`] : []),
  ]
  return `${headers.join('\r\n')}\r\n\r\n${body}`
}

function pushOf(document: string): string {
  return JSON.stringify({
    document,
    progress: '/body/DocFragment[11]/body/p[7]/text().123',
    percentage: 0.4321,
    device: 'Kobo Libra 2',
    device_id: '93AE5EAF1F3B4D6C8A0B2C4D6E8F0A1B',
  })
}

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex')
}
