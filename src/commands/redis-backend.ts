import type { FastifyBaseLogger } from 'fastify'
import type { Loaded } from '../config.ts'
import { openEngine, type OpenedEngine } from '../control/open-store.ts'
import { openStateFolder } from '../control/state-folder.ts'
import type { Backend } from './backend.ts'

/** Milliseconds until a refused database is checked again. */
const lookMs = 1000

/**
 * The engine of KSS_STORE, which any number of servers use. A start does not wait for it: until it is there, requests get
 * 503. Only a certificate of kss's own is in the folder. Throws CommandError.
 */
export async function openRedisBackend(loaded: Pick<Loaded, 'config' | 'sources'>): Promise<Backend> {
  const { config } = loaded
  if (config.KSS_TLS === 'self-signed') await openStateFolder(config.KSS_DIR)
  const opened = await openEngine(loaded)
  return {
    warnings: async () => [],
    open: async (logger) => {
      opened.watch((failure) => void report(opened, logger, failure))
      return { opened, hashesKeys: opened.hashesKeys, formatChange: undefined }
    },
    // Commands ask the engine themselves.
    answer: () => undefined,
    countUsers: async () => (await opened.admin.listUsers(undefined, 1)).total,
    place: { store: opened.place.replace(/,$/, '') },
    tidy: () => undefined,
    release: () => opened.close(),
  }
}

/** Logs that the engine is away, or its durability settings, which may have changed while it was. Never rejects. */
async function report(opened: OpenedEngine, logger: FastifyBaseLogger, failure: Error | undefined): Promise<void> {
  if (failure) {
    logger.error(`${failure.message}: what needs it gets 503 until it is back`)
    return
  }
  const { survey, place, stats } = opened
  try {
    const { isOwn, warnings } = await survey.look()
    logger.info(`${place} answers`)
    if (!isOwn) logger.info('The database is one of another server: keys stay as they are, unless KSS_HASH_KEYS is set')
    for (const warning of warnings) logger.warn(warning)
  } catch (error) {
    // Otherwise the failure was logged already.
    if (error !== stats.failure()) logger.error((error as Error).message)
    lookAgain(opened, error)
  }
}

/** Checks a refused database again, since an operator may correct it; until then no request does. */
function lookAgain(opened: OpenedEngine, refusal: unknown): void {
  const look = (): void => {
    if (opened.stats.failure() === refusal) opened.survey.look().catch((error: unknown) => lookAgain(opened, error))
  }
  setTimeout(look, lookMs).unref()
}
