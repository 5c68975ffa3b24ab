import { once } from 'node:events'
import { Agent, request, type IncomingMessage } from 'node:http'
import { json } from 'node:stream/consumers'

export interface Answer {
  status: number
  body: Record<string, unknown>
}

export interface Login {
  username: string
  key: string
}

/** Some kept connections to the server, as readers have them. */
export class Client {
  readonly #agent = new Agent({ keepAlive: true })
  readonly #url: string

  constructor(url: string) {
    this.#url = url
  }

  /** Undefined when no whole answer came: then nobody knows what became of the request. It is never sent again. */
  async ask(method: string, path: string, login?: Login, body?: object): Promise<Answer | undefined> {
    const headers = {
      'content-type': 'application/json',
      ...(login && { 'x-auth-user': login.username, 'x-auth-key': login.key }),
    }
    const sent = request(this.#url + path, { method, headers, agent: this.#agent })
    try {
      sent.end(body && JSON.stringify(body))
      const [response] = (await once(sent, 'response')) as [IncomingMessage]
      return { status: response.statusCode ?? 0, body: (await json(response)) as Answer['body'] }
    } catch (error) {
      if (error instanceof SyntaxError) return { status: 0, body: { message: 'the answer is no JSON' } }
      return undefined
    }
  }

  close(): void {
    this.#agent.destroy()
  }
}

/** For what a person reads. */
export function describe({ status, body }: Answer): string {
  return `${status} ${JSON.stringify(body)}`
}
