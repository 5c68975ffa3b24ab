import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import type { AppOptions } from '../../src/app.ts'
import type { ConsoleSettings } from '../../src/console/options.ts'
import { MemorySessions } from '../../src/store/memory-sessions.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { build, Reader } from '../helper.ts'

type Headers = Record<string, string>

export interface TestConsole {
  app: FastifyInstance
  store: MemoryStore
  sessions: MemorySessions
  /** Milliseconds since 1970; tests set it. */
  clock: { now: number }
  /** A browser without cookies. */
  visit: (headers?: Headers) => Visitor
  /** A browser of an account that is made, and signed in. */
  reader: (username?: string) => Promise<Visitor>
}

export interface TestConsoleOptions extends Partial<AppOptions> {
  settings?: Partial<ConsoleSettings>
}

/** What only pages of the operator ask for. */
const noTasks = (): never => {
  throw new Error('no page of the operator is expected')
}

/** A server with a console on a MemoryStore, unless the options say otherwise. */
export function openConsole(t: Test, { settings, ...options }: TestConsoleOptions = {}): TestConsole {
  // Another server on the same store sees the same accounts.
  const store = options.store instanceof MemoryStore ? options.store : new MemoryStore()
  const sessions = new MemorySessions()
  const clock = { now: Date.UTC(2030, 0, 1) }
  const now = (): number => clock.now
  const given = { admin: store, sessions, hosts: [], tasks: noTasks, ...settings }
  const app = build(t, { store, now, console: given, ...options })
  const visit = (headers: Headers = {}): Visitor => new Visitor(app, options.basePath ?? '', headers)
  const reader = async (username = 'ann'): Promise<Visitor> => {
    await store.createUser({ username, key: new Reader(app).key })
    const visitor = visit()
    await visitor.signIn(username)
    return visitor
  }
  return { app, store, sessions, clock, visit, reader }
}

/** A browser: it keeps cookies, says where a form was, and sends the token of the page that it shows. */
export class Visitor {
  readonly app: FastifyInstance
  readonly cookies = new Map<string, string>()
  readonly #base: string
  readonly #headers: Headers
  /** The page that it shows. */
  page = ''

  constructor(app: FastifyInstance, base: string, headers: Headers) {
    this.app = app
    this.#base = base
    this.#headers = { host: 'kss.local:8080', accept: 'text/html,*/*;q=0.8', ...headers }
  }

  get headers(): Headers {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    return { ...this.#headers, ...(cookie !== '' && { cookie }) }
  }

  async get(path: string, headers: Headers = {}): Promise<LightMyRequestResponse> {
    const reply = await this.app.inject({ url: this.#base + path, headers: { ...this.headers, ...headers } })
    return this.#take(reply)
  }

  /** Sends a form of the page that it shows. `headers` replace those of a browser; an empty one is left out. */
  async post(path: string, fields: Headers = {}, headers: Headers = {}): Promise<LightMyRequestResponse> {
    const all = { origin: `http://${this.#headers['host']}`, ...this.headers, ...headers }
    const sent = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''))
    const reply = await this.app.inject({
      method: 'POST',
      url: this.#base + path,
      headers: { ...sent, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ token: this.tokenFor(path), ...fields }).toString(),
    })
    return this.#take(reply)
  }

  /** Of the form for the path on the page that it shows, else of any form; empty without one. */
  tokenFor(path: string): string {
    const forms = this.page.split('<form').slice(1)
    const own = forms.find((form) => form.includes(`action="${this.#base}${path}"`)) ?? forms.at(-1) ?? ''
    return /name="token" value="([^"]*)"/.exec(own)?.[1] ?? ''
  }

  async signIn(username: string, password = 'secret'): Promise<LightMyRequestResponse> {
    await this.get('/')
    const reply = await this.post('/sign-in', { username, password })
    await this.get('/books')
    return reply
  }

  /** Whether it is signed in. */
  async isIn(): Promise<boolean> {
    return (await this.get('/books')).statusCode === 200
  }

  #take(reply: LightMyRequestResponse): LightMyRequestResponse {
    for (const { name, value, maxAge } of reply.cookies) {
      if (maxAge === 0) this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
    // From a refusal it goes back.
    if (reply.body.includes('<form')) this.page = reply.body
    return reply
  }
}
