import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import type { Accounts } from '../accounts/accounts.ts'
import type { Events } from '../doctor/events.ts'
import type { SetupCode } from '../accounts/setup-code.ts'
import type { OperatorTasks } from './operator-tasks.ts'
import type { LogRequest } from '../log.ts'
import type { Route } from './route.ts'
import type { Admin, SessionStore, Store } from '../store/store.ts'

/** Options of the console. Those without a default come from the server, through createApp. */
export interface ConsoleOptions extends ConsoleSettings {
  store: Store
  accounts: Accounts
  logger: FastifyBaseLogger
  logRequest: LogRequest
  /** The events of this process. */
  events: Events
  /** The base path, as `/kosync`; empty for the root. */
  basePath: string
  /** Addresses (IP or CIDR) whose X-Forwarded-… headers are believed. */
  trustedProxies: string[]
  /** Called with each request of a signed-in account. */
  onAuthorized: (request: FastifyRequest, reply: FastifyReply) => void
  /** Milliseconds since 1970. */
  now: () => number
}

/** Pages of an optional part of the server. */
export interface ExtraPages {
  /** A link in the navigation: a path and its label. */
  link: readonly [string, string]
  /** Paths that the server passes on to the console for them. */
  paths: string[]
  /** Loads the pages, with the console. */
  routes: () => Promise<Route[]>
}

/** Options for the console only. */
export interface ConsoleSettings {
  /** The store as operators see it, if readers get more from it; else the server's. */
  store?: Store
  admin: Admin
  sessions: SessionStore
  /** Operators' tasks outside the store; loaded at the first use. */
  tasks: () => Promise<OperatorTasks>
  /** KSS_CONSOLE_HOSTS: the server's names, besides those that no stranger can point to it. */
  hosts: string[]
  /** Makes the first operator; undefined if there is an operator, or while that is unknown. */
  setupCode?: () => SetupCode | undefined
  /** The addresses for readers in the same network. */
  addresses?: () => string[]
  /** The pages of an optional part; undefined if there are none. */
  extra?: ExtraPages | undefined
  /** False while no file may change. */
  isReady?: () => boolean
}
