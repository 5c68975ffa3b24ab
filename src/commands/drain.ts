import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import type { Config } from '../config.ts'
import type { Unready } from '../http/readiness.ts'
import type { Stats } from '../store/store.ts'

/** The time before a stop in which the server is not ready, but still answers. */
export interface Drain {
  findUnready: () => Unready | undefined
  /** For a signal of an orchestrator, not of a person: resolves when no load balancer sends requests here any more. */
  drain: (signal: string | undefined) => Promise<void>
}

/** The server is not ready until `isWhole` resolves: pushes wait for the backup before a change of format. */
export function createDrain(
  { KSS_DRAIN_SECONDS: seconds }: Config,
  stats: Stats,
  isWhole: Promise<unknown> | undefined,
  logger: FastifyBaseLogger,
): Drain {
  let isStopping = false
  let isHeld = isWhole !== undefined
  void isWhole?.then(() => (isHeld = false))
  return {
    findUnready: () => {
      if (isStopping) return 'stopping'
      return isHeld || stats.failure() !== undefined ? 'storage' : undefined
    },
    drain: async (signal) => {
      isStopping = true
      if (signal !== 'SIGTERM' || seconds === 0) return
      logger.info({ signal, seconds }, 'draining: not ready any more, and serving those that come')
      await sleep(seconds * 1000)
    },
  }
}
