import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { Metrics } from './metrics.ts'

/** Milliseconds for the headers of a scrape. */
const patience = 5000

/** Answers GET /metrics, and nothing else. Rejects when it cannot listen. */
export async function listenForScrapes(metrics: Metrics, host: string, port: number): Promise<Server> {
  const server = createServer({ requestTimeout: patience, headersTimeout: patience }, (request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('GET /metrics\n')
      return
    }
    metrics.read().then(
      (text) => response.writeHead(200, { 'content-type': metrics.contentType, 'cache-control': 'no-store' }).end(text),
      (error: unknown) => response.writeHead(500, { 'content-type': 'text/plain' }).end(`${String(error)}\n`),
    )
  })
  server.maxConnections = 20
  await once(server.listen({ host, port }), 'listening')
  return server
}
