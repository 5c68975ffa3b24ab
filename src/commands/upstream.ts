import type { FastifyBaseLogger } from 'fastify'
import type { Config } from '../config.ts'
import type { Store } from '../store/store.ts'
import { endOf } from '../upstream-settings.ts'
import type { Upstream } from '../upstream.ts'

/** Opens the upstream, the server that readers move here from; undefined when there is none or its time is over. */
export async function openUpstream(
  config: Config,
  store: Store,
  logger: FastifyBaseLogger,
): Promise<Upstream | undefined> {
  const { KSS_UPSTREAM: origin, KSS_UPSTREAM_UNTIL: end, KSS_UPSTREAM_USERS: usernames } = config
  if (origin === '') return undefined
  const until = endOf(end) ?? Number.POSITIVE_INFINITY
  if (Date.now() >= until) {
    logger.info({ upstream: origin }, `KSS_UPSTREAM_UNTIL is over: the upstream is not asked any more`)
    return undefined
  }
  if (!config.KSS_DISABLE_REGISTRATION) {
    logger.warn('While KSS_UPSTREAM is set, anybody can register a name before its owner comes: close registration.')
  }
  const { OldServer } = await import('../upstream/old-server.ts')
  return new OldServer({ store, logger, origin, until, usernames })
}
