// What node:http alone can do: it looks the reader up in a Map, compares the key, looks the record up in a Map, and sends
// the bytes of kss: no routes, limits, log or disk. Arguments: the port, and a JSON file of BareData.
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { BareData } from './seed.ts'

interface Account {
  key: string
  /** Bodies of answers, by document. */
  records: Map<string, string>
}

interface Push {
  document: string
}

/** The headers of every answer of kss. */
const headers = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'keep-alive': 'timeout=10',
  'access-control-allow-origin': '*',
  'content-type': 'application/json',
}

const documentPath = '/syncs/progress/'

const [, , port, file = ''] = process.argv
const accounts = new Map<string, Account>()
for (const { username, key, records } of JSON.parse(readFileSync(file, 'utf8')) as BareData) {
  accounts.set(username, { key, records: new Map(Object.entries(records)) })
}

const server = createServer((request, response) => {
  const { method, url = '' } = request
  if (url === '/healthcheck') return answer(response, '{"state":"OK"}')
  const { 'x-auth-user': user, 'x-auth-key': key } = request.headers
  const account = accounts.get(String(user))
  if (!account || account.key !== key) return answer(response, undefined)
  if (method === 'PUT') return answerPut(request, response, account)
  if (url === '/users/auth') return answer(response, '{"authorized":"OK"}')
  return answer(response, account.records.get(url.slice(documentPath.length)))
})
server.keepAliveTimeout = 10_000
server.requestTimeout = 0
server.listen(Number(port), '127.0.0.1')

function answerPut(request: IncomingMessage, response: ServerResponse, { records }: Account): void {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const pushed = JSON.parse(Buffer.concat(chunks).toString()) as Push
    const { document } = pushed
    const timestamp = Math.floor(Date.now() / 1000)
    records.set(document, JSON.stringify({ ...pushed, timestamp }))
    answer(response, JSON.stringify({ document, timestamp }))
  })
}

function answer(response: ServerResponse, body: string | undefined): void {
  const length = Buffer.byteLength(body ?? '')
  response.writeHead(body === undefined ? 404 : 200, { ...headers, 'content-length': length })
  response.end(body)
}
