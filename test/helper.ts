import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { pino } from 'pino'
import type { Test } from 'tap'
import { createApp, type AppOptions } from '../src/app.ts'
import { keyOfPassword } from '../src/kosync/credentials.ts'
import { createStore } from './stores.ts'

/** Cheap hashes: with the cost of a server, a busy machine would answer some of the requests of a test with 503. */
const auth = { hashKeys: true, scryptCost: 8, loginFailuresPerMinute: 0, registrationsPerHour: 0 }

/** An app on an empty store unless the options say otherwise; closed with the test. */
export function build(t: Test, options: Partial<AppOptions> = {}): FastifyInstance {
  const app = createApp({ store: createStore(), logger: pino({ level: 'silent' }), auth, ...options })
  t.teardown(() => app.close())
  return app
}

/** A reader: who asks, and the verbs of the KOReader client. */
export class Reader {
  readonly app: FastifyInstance
  readonly username: string
  readonly key: string

  constructor(app: FastifyInstance, username = 'ann', password = 'secret') {
    this.app = app
    this.username = username
    this.key = keyOfPassword(password)
  }

  get headers(): Record<string, string> {
    return {
      // As the bytes arrive: UTF-8 that Node reads as latin1.
      'x-auth-user': Buffer.from(this.username).toString('latin1'),
      'x-auth-key': this.key,
      accept: 'application/vnd.koreader.v1+json',
    }
  }

  register(): Promise<LightMyRequestResponse> {
    const body = { username: this.username, password: this.key }
    return this.app.inject({ method: 'POST', url: '/users/create', body, headers: { accept: this.headers['accept'] } })
  }

  authorize(): Promise<LightMyRequestResponse> {
    return this.app.inject({ url: '/users/auth', headers: this.headers })
  }

  update(body: object | string): Promise<LightMyRequestResponse> {
    return this.app.inject({ method: 'PUT', url: '/syncs/progress', body, headers: this.headers })
  }

  get(document: string): Promise<LightMyRequestResponse> {
    return this.app.inject({ url: `/syncs/progress/${encodeURIComponent(document)}`, headers: this.headers })
  }
}

/** A registered reader of a new app. */
export async function buildReader(t: Test, options: Partial<AppOptions> = {}): Promise<Reader> {
  const reader = new Reader(build(t, options))
  await reader.register()
  return reader
}

export const position = { document: 'abc', percentage: 0.32, progress: '56', device: 'my kpw' }
