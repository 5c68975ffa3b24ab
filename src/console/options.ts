import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import type { Accounts } from '../accounts/accounts.ts'
import type { Events } from '../doctor/events.ts'
import type { SetupCode } from '../accounts/setup-code.ts'
import type { OperatorTasks } from './operator-tasks.ts'
import type { LogRequest } from '../log.ts'
import type { Route } from './route.ts'
import type { Admin, SessionStore, Store } from '../store/store.ts'

/** What the console is made of. Those without a default are of the server, and given by createApp. */
export interface ConsoleOptions extends ConsoleSettings {
  store: Store
  accounts: Accounts
  logger: FastifyBaseLogger
  logRequest: LogRequest
  /** What this process could not serve. */
  events: Events
  /** Where the wire is too, as `/kosync`; empty for the root. */
  basePath: string
  /** Addresses (IP or CIDR) whose X-Forwarded-… headers are believed. */
  trustedProxies: string[]
  /** Told of each request of somebody who is signed in. */
  onAuthorized: (request: FastifyRequest, reply: FastifyReply) => void
  /** Milliseconds since 1970. */
  now: () => number
}

/** Pages of an optional part of the server. */
export interface ExtraPages {
  /** In the navigation: a path, and its label. */
  link: readonly [string, string]
  /** What the server passes on to the console for them. */
  paths: string[]
  /** Loaded with the console. */
  routes: () => Promise<Route[]>
}

/** What only the console needs. */
export interface ConsoleSettings {
  /** What operators see, where readers are told more; else the store of the server. */
  store?: Store
  admin: Admin
  sessions: SessionStore
  /** What operators do beyond the store; loaded when it is asked for first. */
  tasks: () => Promise<OperatorTasks>
  /** KSS_CONSOLE_HOSTS: names that the server has, besides those that no stranger can point to it. */
  hosts: string[]
  /** What makes the first operator; undefined while there is one, and before that is known. */
  setupCode?: () => SetupCode | undefined
  /** What readers in the same network can type. */
  addresses?: () => string[]
  /** Undefined where no optional part has pages. */
  extra?: ExtraPages | undefined
  /** False while no file may change. */
  isReady?: () => boolean
}
