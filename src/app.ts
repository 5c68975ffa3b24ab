import type { FastifyBaseLogger, FastifyInstance, FastifyPluginAsync } from 'fastify'
import { Accounts, type AuthOptions } from './accounts/accounts.ts'
import { createAdoption } from './accounts/adoption.ts'
import { defaultLogN } from './accounts/key-hash.ts'
import type { VerifiedKeys } from './accounts/verified-keys.ts'
import { addressList } from './client-address.ts'
import type { ConsoleSettings } from './console/options.ts'
import { createConsole } from './console/plugin.ts'
import { Events } from './doctor/events.ts'
import { createListener } from './doctor/listen.ts'
import { limitConnections } from './http/connection-limit.ts'
import { stopGracefully } from './http/graceful-stop.ts'
import { notFound } from './http/not-found.ts'
import { pages } from './http/pages.ts'
import { logBadUrls, logEach, logRaw } from './http/request-log.ts'
import { readiness, type Unready } from './http/readiness.ts'
import { createServer } from './http/server.ts'
import type { TlsListener } from './http/tls-listener.ts'
import { warnOfUnknownProxy } from './http/unknown-proxy.ts'
import { logWrongProtocols } from './http/wrong-protocol.ts'
import { patience } from './kosync/answer-in-time.ts'
import type { OnAuthorized } from './kosync/auth.ts'
import { createAnswerBadUrl } from './kosync/context.ts'
import { createCors } from './kosync/cors.ts'
import { createAnswerRaw } from './kosync/errors.ts'
import { kosync } from './kosync/plugin.ts'
import type { LogRequest } from './log.ts'
import type { Store } from './store/store.ts'
import type { Upstream } from './upstream.ts'

export interface AppOptions {
  store: Store
  logger: FastifyBaseLogger
  /** Called with each request when it is answered. */
  logRequest?: LogRequest
  /** What could not be served, for `kss doctor` and the console. */
  events?: Events
  /** The base path of the wire, as `/kosync`; empty for none. */
  basePath?: string
  disableRegistration?: boolean
  /** What guards the accounts; as the settings are by default, but without limits, if left out. */
  auth?: AuthOptions
  /** Keys that count as verified already; none if left out. */
  verified?: VerifiedKeys
  /** Another server, whose users and positions move here. */
  upstream?: Upstream | undefined
  /** The web console; none if left out. */
  console?: ConsoleSettings | undefined
  /** Why a load balancer should send no requests here; undefined when it may. */
  findUnready?: () => Unready | undefined
  /** The port of https; without `besideHttp` the only one. */
  tls?: { listener: TlsListener; besideHttp: boolean } | undefined
  /** Optional parts with URLs of their own, each encapsulated. */
  parts?: FastifyPluginAsync[]
  /** How many connections one address may have open; 0 for any number. */
  connectionsPerAddress?: number
  /** Addresses (IP or CIDR) whose X-Forwarded-For is believed. */
  trustedProxies?: string[]
  /** Whose pages may read the answers; `*`, which is all, if left out. */
  corsOrigins?: string[]
  /** Milliseconds after which a change that the disk holds up is answered. */
  patience?: number
  /** Milliseconds since 1970. */
  now?: () => number
}

const defaults = {
  basePath: '',
  disableRegistration: false,
  auth: { hashKeys: true, scryptCost: defaultLogN, loginFailuresPerMinute: 0, registrationsPerHour: 0 },
  findUnready: () => undefined,
  parts: [],
  connectionsPerAddress: 0,
  trustedProxies: [],
  corsOrigins: ['*'],
  patience,
  now: Date.now,
}

/** The whole server, not listening: what it does is what `store` and the wire agree on. */
export function createApp(given: AppOptions): FastifyInstance {
  const options = { ...defaults, ...given }
  const { store, logger, tls, upstream, basePath, trustedProxies, corsOrigins, connectionsPerAddress: max } = options
  const { logRequest = () => undefined, events = new Events(options) } = given
  const onRefused = (address: string): void => events.add({ kind: 'tooManyConnections', address })
  const answerRaw = createAnswerRaw(createCors(corsOrigins)(), logRaw(logRequest, onRefused))
  const answerBadUrl = logBadUrls(createAnswerBadUrl(corsOrigins), logRequest, addressList(trustedProxies))
  const app = createServer({ logger, trustedProxies, answerBadUrl, answerRaw })
  const isStopping = stopGracefully(app, tls?.listener)
  const servers = tls ? [app.server, tls.listener.server] : [app.server]
  const markBusy = limitConnections(servers, { max, trustedProxies, answer: answerRaw })
  logWrongProtocols(app.server, logger, (kind, address) => events.add({ kind, address }))
  const onHttp = (address: string): void => events.add({ kind: 'plainHttp', address })
  tls?.listener.serve(app.server, { logger, answer: answerRaw, besideHttp: tls.besideHttp, onHttp })
  warnOfUnknownProxy(app, logger, trustedProxies, (address) => events.add({ kind: 'unknownProxy', address }))
  logEach(app, logRequest, createListener(events, basePath))
  const adopt = upstream && createAdoption({ store, logger, knows: (...asked) => upstream.knows(...asked) })
  const accounts = new Accounts({ ...options, adopt })
  const onAuthorized: OnAuthorized = ({ raw: { socket } }, { raw: response }) =>
    markBusy(tls?.listener.belowTls(socket) ?? socket, response)
  app.register(kosync, {
    ...options,
    accounts,
    prefix: basePath,
    isStopping,
    onAuthorized,
    findMissing: upstream && ((...asked) => upstream.fetchProgress(...asked)),
  })
  const console =
    given.console && createConsole({ ...options, ...given.console, accounts, events, logRequest, onAuthorized })
  if (console) {
    const { paths, pass: showPage } = console
    app.register(pages, { prefix: basePath, basePath, paths, showPage, corsOrigins, isStopping })
  }
  app.register(readiness, { prefix: basePath, findUnready: options.findUnready })
  for (const part of options.parts) app.register(part)
  app.register(notFound, { basePath, corsOrigins, isStopping, showPage: console?.pass })
  return app
}
