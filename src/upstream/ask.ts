import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import pLimit from 'p-limit'
import type { Credentials } from '../kosync/credentials.ts'
import { vendorMediaType } from '../kosync/protocol.ts'

/** Requests at a time; others wait, so that strangers cannot flood the upstream through kss. */
const atOnce = 8

/** Bytes; an answer is a few hundred. */
const bodyLimit = 64 * 1024

/** Strict: a lenient decoder would change bytes that are not UTF-8. */
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Milliseconds before idle connections are closed: sooner than servers do, since a request on a closing connection fails. */
const keepAlive = { keepAlive: true, timeout: 2000 }

export interface Answer {
  status: number
  /** The body; empty if only the status matters. */
  text: string
}

/** Asks GETs of one server, each within its time; never follows a redirect. */
export class Asker {
  readonly #origin: string
  readonly #limit = pLimit(atOnce)
  readonly #agents = {
    http: new http.Agent(keepAlive),
    // Also with NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment.
    https: new https.Agent({ ...keepAlive, rejectUnauthorized: true }),
  }

  /** `origin` may have a path, and no slash at its end. */
  constructor(origin: string) {
    this.#origin = origin
  }

  /** Rejects without a whole answer within the milliseconds, or if the answer is too long or not UTF-8. */
  async get(path: string, credentials: Credentials, ms: number): Promise<Answer> {
    // A timer of 0 may come after an answer from nearby.
    if (ms < 1) throw new Error('does not answer in time')
    const signal = AbortSignal.timeout(Math.floor(ms))
    const aborted = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('does not answer in time')))
    })
    const asked = this.#limit(async () => {
      // The caller no longer waits for a request that got its turn too late.
      signal.throwIfAborted()
      return await this.#request(this.#origin + path, headersOf(credentials), signal)
    })
    return await Promise.race([asked, aborted])
  }

  #request(url: string, headers: Record<string, string>, signal: AbortSignal): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const onResponse = (response: IncomingMessage): void => {
        read(response).then(resolve, reject)
      }
      const request = url.startsWith('https:')
        ? https.get(url, { headers, agent: this.#agents.https }, onResponse)
        : http.get(url, { headers, agent: this.#agents.http }, onResponse)
      request.on('error', reject)
      // Without this listener the request would never end.
      request.on('upgrade', (_response, socket) => {
        socket.destroy()
        reject(new Error('answers 101'))
      })
      signal.addEventListener('abort', () => request.destroy(new Error('out of time')))
    })
  }
}

/** None of the client's own headers. The name is sent as KOReader does: UTF-8 bytes, which Node takes as latin1. */
function headersOf({ username, key }: Credentials): Record<string, string> {
  return {
    'x-auth-user': Buffer.from(username).toString('latin1'),
    'x-auth-key': Buffer.from(key).toString('latin1'),
    accept: vendorMediaType,
  }
}

/** Statuses whose body matters: kosync-dotnet answers 502 for an unknown document. */
const told = new Set([200, 502])

async function read(response: IncomingMessage): Promise<Answer> {
  const { statusCode: status = 0 } = response
  if (!told.has(status)) {
    response.destroy()
    return { status, text: '' }
  }
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    // Leaving the loop ends the connection.
    if (size > bodyLimit) throw new Error(`answers more than ${bodyLimit} bytes`)
    chunks.push(chunk)
  }
  return { status, text: utf8.decode(Buffer.concat(chunks)) }
}
