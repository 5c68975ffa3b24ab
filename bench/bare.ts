// What node:http alone can do: the answers of kss from memory, with no credentials, routes, checks, log or disk.
// Arguments: the port, and a JSON file of path → body.
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

/** Where the document id begins in a push, and how long it is. */
const documentAt = '{"document":"'.length
const documentLength = 32

const [, , port, file = ''] = process.argv
const bodies = new Map(Object.entries(JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>))

const server = createServer((request, response) => {
  if (request.method === 'PUT') answerPut(request, response)
  else answer(response, bodies.get(request.url ?? ''))
})
server.keepAliveTimeout = 10_000
server.requestTimeout = 0
server.listen(Number(port), '127.0.0.1')

function answerPut(request: IncomingMessage, response: ServerResponse): void {
  let body = ''
  request.setEncoding('latin1').on('data', (chunk: string) => (body += chunk))
  request.on('end', () => {
    const document = body.slice(documentAt, documentAt + documentLength)
    answer(response, `{"document":"${document}","timestamp":${Math.floor(Date.now() / 1000)}}`)
  })
}

function answer(response: ServerResponse, body: string | undefined): void {
  const headers = { 'content-type': 'application/json' }
  response.writeHead(body === undefined ? 404 : 200, { ...headers, 'content-length': Buffer.byteLength(body ?? '') })
  response.end(body)
}
