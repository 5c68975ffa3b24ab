import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import { plain } from '../plain.ts'
import { Failure } from './failure.ts'

export interface Request {
  method: 'GET' | 'PATCH'
  /** The whole address. */
  url: string
  headers: Record<string, string>
  body?: string | undefined
  /** Milliseconds for all of it: the look-up of the name, the handshake and the body too. */
  timeoutMs: number
  /** Bytes of the answer's body. */
  limit: number
  /** Ends it. */
  signal?: AbortSignal | undefined
}

export interface Reply {
  status: number
  headers: IncomingMessage['headers']
  body: Buffer
}

/** Milliseconds before idle connections are closed: sooner than servers do, since a request on a closing connection fails. */
const keepAlive = { keepAlive: true, timeout: 2000 }

/** Sends requests; never follows a redirect, never uses a connection with an invalid certificate. */
export class Requester {
  readonly #agents = {
    http: new http.Agent(keepAlive),
    // Also with NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment.
    https: new https.Agent({ ...keepAlive, rejectUnauthorized: true }),
  }

  async send(request: Request): Promise<Reply | Failure> {
    const controller = new AbortController()
    let timer: NodeJS.Timeout | undefined
    // A name that nobody looks up ends with no error of the request.
    const timeout = new Promise<Failure>((resolve) => {
      timer = setTimeout(() => {
        resolve(new Failure('timeout', `gave no whole answer in ${request.timeoutMs} ms`))
        controller.abort()
      }, request.timeoutMs)
    })
    try {
      return await Promise.race([timeout, this.#exchange(request, signalOf(controller, request))])
    } finally {
      clearTimeout(timer)
    }
  }

  /** Ends idle connections. */
  close(): void {
    this.#agents.http.destroy()
    this.#agents.https.destroy()
  }

  #exchange({ method, url, headers, body, limit }: Request, signal: AbortSignal): Promise<Reply | Failure> {
    return new Promise((resolve) => {
      const fail = (error: unknown): void => resolve(toFailure(error as NodeJS.ErrnoException))
      const options = { method, headers, signal }
      const onResponse = (response: IncomingMessage): void => {
        readBody(response, limit).then(resolve, fail)
      }
      const sent = url.startsWith('https:')
        ? https.request(url, { ...options, agent: this.#agents.https }, onResponse)
        : http.request(url, { ...options, agent: this.#agents.http }, onResponse)
      sent.on('error', fail)
      // Without this listener the request would never end.
      sent.on('upgrade', (_response, socket) => {
        socket.destroy()
        fail(new Error('answered 101'))
      })
      sent.end(body)
    })
  }
}

function signalOf({ signal }: AbortController, { signal: other }: Request): AbortSignal {
  return other ? AbortSignal.any([signal, other]) : signal
}

async function readBody(response: IncomingMessage, limit: number): Promise<Reply | Failure> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    // Leaving the loop ends the connection.
    if (size > limit) return new Failure('tooLarge', `answered more than ${limit} bytes`)
    chunks.push(chunk)
  }
  return { status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) }
}

/** Codes of invalid certificates, of Node and of OpenSSL. */
const tlsCode = /CERT|SELF_SIGNED|^ERR_TLS|^ERR_SSL|^EPROTO$|UNABLE_TO_/

function toFailure({ code = '', message }: NodeJS.ErrnoException): Failure {
  // If several addresses were tried the error has a code but no message.
  const text = plain(code || message).slice(0, 200)
  if (!tlsCode.test(code)) return new Failure('unreachable', `cannot be reached: ${text}`)
  const cure = 'name the file of its authority in NODE_EXTRA_CA_CERTS'
  return new Failure('tls', `has a certificate that does not hold (${text}): ${cure}`)
}
