import { Activity } from '../activity/activity.ts'
import { createApp, type AppOptions } from '../app.ts'
import type { Config, Loaded } from '../config.ts'
import { createLogger, type Log } from '../log.ts'
import { Events } from '../doctor/events.ts'
import { HashQueue } from '../accounts/hash-queue.ts'
import { isRegistrationOpen } from '../accounts/registration.ts'
import type { OpenedStore } from '../control/open-store.ts'
import { stoppable, type Call } from '../control/control-channel.ts'
import { announce } from './announce.ts'
import { openBridge, readBridge, type OpenedBridge } from './bridge.ts'
import { openConsole } from './console-settings.ts'
import { createDrain } from './drain.ts'
import { holdCalls, holdChanges } from './held-changes.ts'
import type { Backend, OpenedBackend } from './backend.ts'
import { openFolderBackend } from './folder-backend.ts'
import { takeKeptKeys } from './kept-keys.ts'
import { listen } from './listen.ts'
import type { FastifyBaseLogger } from 'fastify'
import type { CommandLine } from '../command-line.ts'
import { callStore } from '../control/state-store.ts'
import { hasTls } from '../tls-settings.ts'
import type { MeteredParts, OpenMetrics } from './metrics.ts'
import type { OpenTls } from './tls.ts'
import { openUpstream } from './upstream.ts'

export interface RunningServer {
  /** Stops taking connections, finishes what is in flight, and gives the folder free. The signal is for the log. */
  close: (signal?: string) => Promise<void>
}

/** The composition root: config → log → store → app → listen. `kss` makes what it advises. Throws CommandError. */
export async function serve(loaded: Loaded, kss: CommandLine): Promise<RunningServer> {
  const { config, warnings } = loaded
  const bridge = await readBridge(config)
  const backend = await openBackend(loaded)
  const log = await createLogger(config)
  const { logger } = log
  for (const warning of [...warnings, ...bridge.warnings, ...(await backend.warnings())]) logger.warn(warning)
  const onDamage = (err: unknown): void =>
    logger.error({ err }, config.KSS_STORE === '' ? 'damaged file' : 'the store cannot be used')
  const parts = await openParts(loaded, { backend, log, bridge, onDamage })
  const { app, tls, metrics, console, isOpen } = parts
  let port: number
  try {
    await app.ready()
    port = await listen(app.server, tls?.listener.server, config, kss)
    await metrics?.listen()
  } catch (error) {
    await closeParts(parts, backend, log)
    throw error
  }
  // Prints the warnings before the announcement.
  await log.flush()
  announce(
    { ...config, KSS_PORT: port },
    { place: backend.place, users: await backend.countUsers().catch(() => 0), isOpen, kss },
    logger,
  )
  backend.tidy(onDamage)
  void console?.begin(port)
  return {
    close: async (signal) => {
      await parts.drain(signal)
      logger.info({ signal }, 'stopping')
      await closeParts(parts, backend, log)
    },
  }
}

/** What all parts of the server need. */
interface Ground {
  backend: Backend
  log: Log
  bridge: Awaited<ReturnType<typeof readBridge>>
  onDamage: (error: unknown) => void
}

type Parts = Awaited<ReturnType<typeof openParts>>

async function openParts(loaded: Loaded, { backend, log, bridge, onDamage }: Ground) {
  const { config } = loaded
  const { logger } = log
  const tls = await openTls(config, backend, logger)
  const { opened, formatChange, hashesKeys } = await openStore(backend, logger, onDamage)
  const whole = formatChange?.whole
  const held = whole ? holdChanges(opened.store, whole, onDamage) : opened.store
  const stores = { store: held, admin: opened.admin }
  const bridged = await openBridge(config, bridge.settings, stores, { logger, whole, engine: opened.bridge })
  const { store, admin, operators, operate } = bridged
  const activity = new Activity()
  const { call, stop: stopCalls } = stoppable(callStore(operators, admin))
  const events = new Events({ basePath: config.KSS_BASE_PATH })
  answerCalls(backend, whole ? holdCalls(call, whole) : call, { events, operate }, (command) => {
    logger.info(`command: ${command}`)
    activity.addCommand(command)
  })
  const isOpen = await startRegistration(opened, config.KSS_DISABLE_REGISTRATION, onDamage)
  const { verified, save } = await takeKeptKeys(config, logger)
  const upstream = await openUpstream(config, store, logger)
  const { findUnready, drain } = createDrain(config, opened.stats, whole, logger)
  const { sessions } = opened
  const common = { ...loaded, admin, activity, logger, whole, check: opened.check }
  const console = openConsole({ ...common, store: operators, sessions, extra: bridged.pages })
  const queue = new HashQueue()
  const { countUsers } = backend
  const metrics = await openMetrics(config, { stats: opened.stats, outbox: bridged.countOutbox, queue, countUsers })
  const options = optionsOf(config, { ...opened, hashesKeys }, log, activity, queue, metrics)
  const pages = { events, console: console?.settings }
  const app = createApp({ ...options, ...pages, store, verified, upstream, tls: portOf(config, tls), findUnready })
  return { app, store, tls, metrics, console, isOpen, drain, formatChange, stopCalls, saveKeys: save }
}

/** Closes the parts so that nothing is lost: first requests, then commands, the store, and last the lock of the folder. */
async function closeParts(parts: Parts, backend: Backend, log: Log): Promise<void> {
  try {
    parts.tls?.close()
    parts.metrics?.close()
    const stopped = parts.formatChange?.stop()
    await parts.app.close()
    await stopped
    await parts.stopCalls()
    await parts.console?.stop()
    await parts.store.close()
    await parts.saveKeys()
  } finally {
    await backend.release()
    await log.flush()
  }
}

/** Loads the Redis modules only if the settings name an engine. */
async function openBackend(loaded: Loaded): Promise<Backend> {
  if (loaded.config.KSS_STORE === '') return await openFolderBackend(loaded.config)
  const engine = await import('./redis-backend.ts')
  return await engine.openRedisBackend(loaded)
}

async function openStore(
  backend: Backend,
  logger: FastifyBaseLogger,
  onDamage: (error: unknown) => void,
): Promise<OpenedBackend> {
  try {
    return await backend.open(logger, onDamage)
  } catch (error) {
    await backend.release()
    throw error
  }
}

/** Undefined where the settings do not ask for https: then nothing of it is loaded. */
async function openTls(config: Config, backend: Backend, logger: FastifyBaseLogger): Promise<OpenTls | undefined> {
  if (!hasTls(config)) return undefined
  const tls = await import('./tls.ts')
  try {
    return await tls.openTls(config, logger)
  } catch (error) {
    await backend.release()
    throw error
  }
}

function portOf({ KSS_TLS_PORT: port }: Config, tls: OpenTls | undefined): AppOptions['tls'] {
  return tls && { listener: tls.listener, besideHttp: port !== 0 }
}

/** Undefined where the settings do not ask for metrics: then nothing of them is loaded. */
async function openMetrics(config: Config, parts: MeteredParts): Promise<OpenMetrics | undefined> {
  if (config.KSS_METRICS_PORT === 0) return undefined
  const metrics = await import('./metrics.ts')
  return metrics.openMetrics(config, parts)
}

function optionsOf(
  config: Config,
  { hashesKeys, createLimiter }: Pick<OpenedStore, 'createLimiter'> & Pick<OpenedBackend, 'hashesKeys'>,
  { logger, logRequest }: Log,
  activity: Activity,
  queue: HashQueue,
  metrics: OpenMetrics | undefined,
): Omit<AppOptions, 'store'> {
  return {
    logger,
    logRequest: (line, isHealthcheck) => {
      activity.addRequest(line, isHealthcheck)
      metrics?.count(line)
      logRequest(line, isHealthcheck)
    },
    basePath: config.KSS_BASE_PATH,
    disableRegistration: config.KSS_DISABLE_REGISTRATION,
    auth: {
      // Unknown until the engine has answered.
      get hashKeys() {
        return hashesKeys()
      },
      scryptCost: config.KSS_SCRYPT_COST,
      loginFailuresPerMinute: config.KSS_LOGIN_FAILURES_PER_MINUTE,
      registrationsPerHour: config.KSS_REGISTRATIONS_PER_HOUR,
      createLimiter,
      queue,
    },
    connectionsPerAddress: config.KSS_CONNECTIONS_PER_ADDRESS,
    trustedProxies: config.KSS_TRUSTED_PROXIES,
    corsOrigins: config.KSS_CORS_ORIGINS,
  }
}

/** Does what commands ask for; `logCommand` is told what the operator typed. */
function answerCalls(
  backend: Backend,
  call: Call,
  { events, operate }: { events: Events; operate: OpenedBridge['operate'] },
  logCommand: (command: string) => void,
): void {
  backend.answer(async (method, args) => {
    if (method === 'listEvents') return events.list(...(args as [string?]))
    if (method === 'audiobookshelf') return await operate(...(args as [string]))
    if (method === 'countEvents') return events.counts()
    if (method !== 'logCommand') return await call(method, args)
    logCommand(args.join(' '))
    return undefined
  })
}

/** Returns whether registration is open. A start with KSS_DISABLE_REGISTRATION ends an earlier `kss registration open`. */
async function startRegistration(
  { store, admin }: OpenedStore,
  disabled: boolean,
  onDamage: (error: unknown) => void,
): Promise<boolean> {
  try {
    if (disabled && (await store.getRegistration()).open) await admin.setRegistration({})
    return isRegistrationOpen(await store.getRegistration(), disabled, Date.now())
  } catch (error) {
    onDamage(error)
    return false
  }
}
