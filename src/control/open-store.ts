import { readFile } from 'node:fs/promises'
import type { CreateLimiter } from '../accounts/limits.ts'
import { CommandError } from '../command-error.ts'
import type { Config, Loaded } from '../config.ts'
import { FileStore, type FileStoreOptions } from '../store/file-store/file-store.ts'
import { SessionFiles } from '../store/file-store/session-files.ts'
import { parseStore, type StoreAddress } from '../store-settings.ts'
import type { RedisBridge } from '../store/redis-store/redis-bridge.ts'
import type { RedisStoreOptions } from '../store/redis-store/redis-store.ts'
import type { Survey } from '../store/redis-store/survey.ts'
import type { Admin, SessionStore, Stats, Store } from '../store/store.ts'

export type StoreOptions = FileStoreOptions

/** A store of this process. */
export interface OpenedStore {
  store: Store
  admin: Admin
  stats: Stats
  sessions: SessionStore
  /** Left out where no other process shares the store. */
  createLimiter?: CreateLimiter
  /** Reads all data and reports what is wrong with it; left out for a state directory, which src/check reads. */
  check?: Survey['check']
  /** The storage of the Audiobookshelf bridge; left out for a state directory, where it is in files. */
  bridge?: RedisBridge
  /** Finishes the work in progress. */
  close: () => Promise<void>
}

/** A store on an engine. */
export interface OpenedEngine extends OpenedStore {
  /** Calls `tell` now, and whenever the engine goes away or comes back: with the reason, or undefined when it can be reached. */
  watch: (tell: (failure: Error | undefined) => void) => void
  survey: Survey
  /** Whether keys are stored as hashes: not where another server may have to read them, unless the setting is given. */
  hashesKeys: () => boolean
  /** The address of the engine, for a person, without its password. */
  place: string
}

/** Opens the store in a state directory. This module alone knows which kinds of stores exist. */
export async function openStore(options: StoreOptions): Promise<OpenedStore> {
  const store = await FileStore.open(options)
  const sessions = new SessionFiles({ dir: options.dir })
  return { store, admin: store.admin, stats: store.stats, sessions, close: () => store.close() }
}

/** The store of KSS_STORE, of which nothing is loaded before. Throws CommandError; not when the engine is away. */
export async function openEngine(
  { config, sources }: Pick<Loaded, 'config' | 'sources'>,
  options: Pick<RedisStoreOptions, 'reconnects'> = {},
): Promise<OpenedEngine> {
  const { RedisStore, hostOf } = await import('../store/redis-store/redis-store.ts')
  // The settings were checked.
  const address = parseStore(config.KSS_STORE)!
  const { url, cluster, sentinels } = address
  url.password = (await readPassword(config, 'KSS_REDIS_PASSWORD_FILE')) ?? url.password
  const password = (await readPassword(config, 'KSS_REDIS_SENTINEL_PASSWORD_FILE')) ?? ''
  const store = await RedisStore.open({
    url,
    cluster,
    ...(sentinels && { sentinels: { ...sentinels, password } }),
    history: config.KSS_HISTORY,
    historyLimit: config.KSS_HISTORY_LIMIT,
    replicas: config.KSS_REDIS_REPLICAS,
    quota: { documents: config.KSS_QUOTA_DOCUMENTS, bytes: config.KSS_QUOTA_BYTES },
    ...options,
  })
  const { admin, stats, sessions, survey, bridge } = store
  const isExplicit = sources['KSS_HASH_KEYS'] !== undefined
  const hashesKeys = (): boolean => config.KSS_HASH_KEYS && (isExplicit || survey.isOwn)
  const watch: OpenedEngine['watch'] = (tell) => store.watch(tell)
  const place = placeOf(address) ?? hostOf(url)
  const createLimiter: CreateLimiter = (limiter) => store.createLimiter(limiter)
  const check: Survey['check'] = (given) => survey.check(given)
  const parts = { store, admin, stats, sessions, survey, bridge, check, createLimiter }
  return { ...parts, hashesKeys, place, watch, close: () => store.close() }
}

/** Undefined for one server. */
function placeOf({ cluster, sentinels }: StoreAddress): string | undefined {
  if (sentinels) return `Redis ${sentinels.name} of the Sentinels at ${sentinels.addresses.join(', ')},`
  return cluster.length > 0 ? `Redis cluster at ${cluster.join(', ')},` : undefined
}

/** For a URL; undefined when no file is named. */
async function readPassword(
  config: Config,
  name: 'KSS_REDIS_PASSWORD_FILE' | 'KSS_REDIS_SENTINEL_PASSWORD_FILE',
): Promise<string | undefined> {
  const path = config[name]
  if (path === '') return undefined
  try {
    return encodeURIComponent((await readFile(path, 'utf8')).replace(/\r?\n.*/s, ''))
  } catch (error) {
    throw new CommandError(`${name} is "${path}": it cannot be read (${(error as Error).message}).`)
  }
}
