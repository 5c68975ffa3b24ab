import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createApp } from '../app.ts'
import { CommandError } from '../command-error.ts'
import type { Config } from '../config.ts'
import { createLogger } from '../log.ts'
import { isRegistrationOpen } from '../registration.ts'
import { FileStore, type FileStoreOptions } from '../store/file-store.ts'
import { removeTemps } from '../store/remove-temps.ts'
import type { FolderLock } from '../store/folder-lock.ts'
import { announce } from './announce.ts'
import { lockStateFolder, openStateFolder } from './state-folder.ts'
import { prepareFormat } from './state-format.ts'
import { callStore } from './state-store.ts'

export interface RunningServer {
  /** Stops taking connections, finishes what is in flight, and gives the folder free. */
  close: () => Promise<void>
}

/** Connections that the system keeps until they are taken: when thousands come at once, the others wait a second less. */
const backlog = 4096

/** The composition root: config → log → store → app → listen. Throws CommandError. */
export async function serve(config: Config, warnings: string[]): Promise<RunningServer> {
  const { KSS_DIR: dir, KSS_HOST: host } = config
  await openStateFolder(dir)
  const lock = await lockStateFolder(dir, config.KSS_DISABLE_REGISTRATION)
  const { logger, logRequest, flush } = await createLogger(config)
  for (const warning of warnings) logger.warn(warning)
  const onDamage = (err: unknown): void => logger.error({ err }, 'damaged file')
  await orRelease(lock, prepareFormat(dir, onDamage))
  const { KSS_HISTORY: history, KSS_HISTORY_LIMIT: historyLimit } = config
  const store = await orRelease(lock, openStore({ dir, history, historyLimit, onDamage }))
  const call = callStore(store)
  let stopping = false
  lock.answer(async (method, args) => {
    if (stopping) throw new Error('the server is stopping: try again')
    return await call(method, args)
  })
  const isOpen = await startRegistration(store, config.KSS_DISABLE_REGISTRATION, onDamage)
  const app = createApp({
    store,
    logger,
    logRequest,
    basePath: config.KSS_BASE_PATH,
    disableRegistration: config.KSS_DISABLE_REGISTRATION,
    auth: {
      hashKeys: config.KSS_HASH_KEYS,
      scryptCost: config.KSS_SCRYPT_COST,
      loginFailuresPerMinute: config.KSS_LOGIN_FAILURES_PER_MINUTE,
      registrationsPerHour: config.KSS_REGISTRATIONS_PER_HOUR,
    },
    connectionsPerAddress: config.KSS_CONNECTIONS_PER_ADDRESS,
    trustedProxies: config.KSS_TRUSTED_PROXIES,
  })
  const close = async (): Promise<void> => {
    try {
      await app.close()
      stopping = true
      await store.close()
    } finally {
      await lock.release()
      flush()
    }
  }
  try {
    await app.ready()
    await once(app.server.listen({ host, port: config.KSS_PORT, backlog }), 'listening')
  } catch (error) {
    await close()
    throw listenError(error as NodeJS.ErrnoException, config)
  }
  const { port } = app.server.address() as AddressInfo
  announce({ ...config, KSS_PORT: port }, { users: (await store.listUsers()).length, isOpen }, logger)
  removeTemps(dir, performance.timeOrigin).catch(onDamage)
  return { close }
}

/** Whether it is open. What `kss registration open` said does not outlive a start that says it is closed. */
async function startRegistration(
  store: FileStore,
  disabled: boolean,
  onDamage: (error: unknown) => void,
): Promise<boolean> {
  try {
    if (disabled && (await store.getRegistration()).open) await store.operations.setRegistration({})
    return isRegistrationOpen(await store.getRegistration(), disabled, Date.now())
  } catch (error) {
    onDamage(error)
    return false
  }
}

async function orRelease<T>(lock: FolderLock, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    await lock.release()
    throw error
  }
}

/** Without the journal nobody knows what was acknowledged: then there is no start. */
async function openStore(options: FileStoreOptions): Promise<FileStore> {
  try {
    return await FileStore.open(options)
  } catch (error) {
    const { message } = error as Error
    throw new CommandError(`Cannot read the journal in ${options.dir}: ${message}. Mend that, then start kss again.`)
  }
}

function listenError(error: NodeJS.ErrnoException, { KSS_HOST: host, KSS_PORT: port }: Config): CommandError {
  const { code = '' } = error
  if (code === 'EADDRINUSE') {
    return new CommandError(`Port ${port} is in use. Try: kss serve --port ${Math.min(port + 1, 65_534)}`)
  }
  /* c8 ignore next -- the tests run as root in CI, who may use any port */
  if (code === 'EACCES') return new CommandError(`Port ${port} needs more rights. Try: kss serve --port 8080`)
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return new CommandError(`This machine has no address ${host}. Try: kss serve --host 0.0.0.0`)
  }
  return new CommandError(`Cannot listen on ${host}, port ${port}: ${error.message}.`)
}
