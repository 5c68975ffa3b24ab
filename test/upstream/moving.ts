import { pino } from 'pino'
import type { Test } from 'tap'
import type { AppOptions } from '../../src/app.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { OldServer, type OldServerOptions } from '../../src/upstream/old-server.ts'
import { build, Reader } from '../helper.ts'
import { listen } from './stub.ts'

export interface Moving {
  store: MemoryStore
  /** Lines of the log, without their times. */
  log: Record<string, unknown>[]
  upstream: OldServer
  /** A reader of the new server. */
  reader: (username?: string, password?: string) => Reader
}

/** A new server whose upstream is at the address. */
export function moveFrom(
  t: Test,
  origin: string,
  { store = new MemoryStore(), ...options }: Partial<OldServerOptions & { store: MemoryStore }> = {},
  appOptions: Partial<AppOptions> = {},
): Moving {
  const log: Record<string, unknown>[] = []
  const write = (line: string): void => {
    const { time: _time, ...rest } = JSON.parse(line) as Record<string, unknown>
    log.push(rest)
  }
  const logger = pino({ base: null }, { write })
  // Not the 1.2 s that readers wait for: a busy machine may need longer.
  const upstream = new OldServer({ store, logger, origin, budgetMs: 30_000, ...options })
  const app = build(t, { store, logger, upstream, ...appOptions })
  return { store, log, upstream, reader: (username, password) => new Reader(app, username, password) }
}

export interface Old {
  origin: string
  /** The requests that came over the network, as `GET /users/auth`. */
  asked: string[]
  /** Its own one, who comes without a network. */
  reader: Reader
  store: MemoryStore
  close: () => Promise<void>
}

/** A kss that listens, where ann is registered. */
export async function openOld(t: Test, options: Partial<AppOptions> = {}): Promise<Old> {
  const asked: string[] = []
  const store = new MemoryStore()
  const app = build(t, { store, now: () => oldTime * 1000, ...options })
  app.addHook('onRequest', async ({ method, url, headers }) => {
    if (headers['user-agent'] !== 'lightMyRequest') asked.push(`${method} ${url}`)
  })
  await app.ready()
  const origin = (await listen(t, app.server)) + (options.basePath ?? '')
  const reader = new Reader(app)
  await store.createUser({ username: reader.username, key: reader.key })
  return { origin, asked, reader, store, close: () => app.close() }
}

/** Seconds since 1970: when a position is pushed to the old server. */
export const oldTime = 1_600_000_000
