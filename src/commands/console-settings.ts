import type { FastifyBaseLogger } from 'fastify'
import type { SetupCode } from '../accounts/setup-code.ts'
import type { Activity } from '../activity/activity.ts'
import type { Loaded } from '../config.ts'
import type { OpenedStore } from '../control/open-store.ts'
import type { ConsoleSettings, ExtraPages } from '../console/options.ts'
import type { Admin, SessionStore, Store } from '../store/store.ts'
import { serverAddresses } from './announce.ts'
import { lazyOperatorTasks } from './lazy-operator-tasks.ts'
import { offerSetup } from './setup.ts'

/** Writes to the terminal instead of the log, which more people may read. */
const write = (text: string): unknown => process.stderr.write(text)

/** The settings of the console, and its life cycle. */
export interface OpenedConsole {
  settings: ConsoleSettings
  begin: (port: number) => Promise<void>
  /** Aborts the operators' tasks. Resolves when they have ended. */
  stop: () => Promise<void>
}

export interface OpenConsoleOptions extends Pick<Loaded, 'config' | 'sources'> {
  store: Store
  admin: Admin
  sessions: SessionStore
  check?: OpenedStore['check'] | undefined
  activity: Activity
  logger: FastifyBaseLogger
  /** Of the Audiobookshelf bridge, where it is on. */
  extra: ExtraPages | undefined
  /** Resolves when files may change. */
  whole: Promise<void> | undefined
}

/** Undefined where there is no console. */
export function openConsole({ whole, ...options }: OpenConsoleOptions): OpenedConsole | undefined {
  const { config, admin, sessions, logger } = options
  if (!config.KSS_CONSOLE) return undefined
  let isReady = whole === undefined
  void whole?.then(() => (isReady = true))
  let addresses = serverAddresses(config)
  let setupCode: SetupCode | undefined
  const tasks = lazyOperatorTasks(options)
  const settings = {
    store: options.store,
    admin,
    tasks: tasks.open,
    sessions,
    hosts: config.KSS_CONSOLE_HOSTS,
    setupCode: () => setupCode,
    addresses: () => addresses,
    extra: options.extra,
    isReady: () => isReady,
  }
  const begin = async (port: number): Promise<void> => {
    addresses = serverAddresses({ ...config, KSS_PORT: port })
    try {
      setupCode = await offerSetup({ admin, addresses, write, now: Date.now })
    } catch (err) {
      logger.warn({ err }, 'could not find out whether there is an operator')
    }
  }
  return { settings, begin, stop: tasks.stop }
}
