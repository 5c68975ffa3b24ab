import type { Server } from 'node:http'
import type { HashQueue } from '../accounts/hash-queue.ts'
import { CommandError } from '../command-error.ts'
import type { Config } from '../config.ts'
import { listenForScrapes } from '../metrics/listen.ts'
import { createMetrics, type Metrics, type MetricsSources } from '../metrics/metrics.ts'

export interface OpenMetrics {
  count: Metrics['count']
  /** Throws CommandError when it cannot. */
  listen: () => Promise<void>
  close: () => void
}

/** Milliseconds for which the number of users is cached: counting them lists the folder. */
const usersMs = 60_000

export interface MeteredParts extends Pick<MetricsSources, 'stats' | 'outbox'> {
  queue: HashQueue
  /** Rejects while the store is away. */
  countUsers: () => Promise<number>
}

/** The metrics that the settings ask for, not listening. */
export function openMetrics(
  config: Config,
  { stats, outbox, queue, countUsers }: MeteredParts,
  now: () => number = () => performance.now(),
): OpenMetrics {
  const { KSS_BASE_PATH: basePath, KSS_METRICS_HOST: host, KSS_METRICS_PORT: port } = config
  let counted = { at: -Infinity, users: 0 }
  const users = async (): Promise<number> => {
    if (now() - counted.at >= usersMs) counted = { at: now(), users: await countUsers().catch(() => counted.users) }
    return counted.users
  }
  const metrics = createMetrics({ basePath, stats, users, outbox, hashes: () => queue.size })
  let server: Server | undefined
  return {
    count: metrics.count,
    listen: async () => {
      try {
        server = await listenForScrapes(metrics, host, port)
      } catch (error) {
        throw new CommandError(`Cannot listen for metrics on ${host}, port ${port}: ${(error as Error).message}.`)
      }
    },
    close: () => {
      server?.close()
      server?.closeAllConnections()
    },
  }
}
