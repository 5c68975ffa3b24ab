import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import pLimit from 'p-limit'
import type { Credentials } from '../kosync/credentials.ts'
import { vendorMediaType } from '../kosync/protocol.ts'

/** More wait, so that strangers cannot make kss a flood for the upstream. */
const atOnce = 8

/** Bytes; an answer is a few hundred. */
const bodyLimit = 64 * 1024

/** Strict: what is no UTF-8 would be stored as something else. */
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Idle connections go before a server closes them: a request on one that is just being closed would fail. */
const keepAlive = { keepAlive: true, timeout: 2000 }

export interface Answer {
  status: number
  /** The body; empty where the status says all. */
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

  /** Rejects when there is no whole answer within the milliseconds, or one that is too long or no UTF-8. */
  async get(path: string, credentials: Credentials, ms: number): Promise<Answer> {
    // A timer of 0 may come after an answer from nearby.
    if (ms < 1) throw new Error('does not answer in time')
    const signal = AbortSignal.timeout(Math.floor(ms))
    const aborted = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('does not answer in time')))
    })
    const asked = this.#limit(async () => {
      // Nobody waits any more for what got its turn too late.
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
      // Otherwise nothing tells that no answer comes any more.
      request.on('upgrade', (_response, socket) => {
        socket.destroy()
        reject(new Error('answers 101'))
      })
      signal.addEventListener('abort', () => request.destroy(new Error('out of time')))
    })
  }
}

/** Nothing of the client's own headers. A name goes as KOReader sends it: UTF-8 bytes, which Node takes as latin1. */
function headersOf({ username, key }: Credentials): Record<string, string> {
  return {
    'x-auth-user': Buffer.from(username).toString('latin1'),
    'x-auth-key': Buffer.from(key).toString('latin1'),
    accept: vendorMediaType,
  }
}

/** Statuses whose body matters: kosync-dotnet says with 502 that it has no such document. */
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
