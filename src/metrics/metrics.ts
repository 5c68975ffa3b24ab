import { Counter, Gauge, Registry } from 'prom-client'
import type { Figures, Stats } from '../store/store.ts'
import { addMetricsTo } from './add-metric.ts'
import { addProcessMetrics } from './process-metrics.ts'
import { RequestMetrics, type Counted } from './request-metrics.ts'

export interface MetricsSources {
  /** Put before every path of the wire; empty for none. */
  basePath: string
  stats: Stats
  /** Log-ins and registrations whose key waits for a hash, or is hashed. */
  hashes: () => number
  users: () => Promise<number>
  /** What waits to be sent elsewhere, where something is sent. */
  outbox?: (() => number) | undefined
}

export interface Metrics {
  count: (request: Counted) => void
  /** What a scrape gets: the text format of Prometheus. */
  read: () => Promise<string>
  contentType: string
}

/** The metrics of one server. No label has a name of a user, a document or an address: strangers make those up. */
export function createMetrics(sources: MetricsSources): Metrics {
  const registry = new Registry()
  addProcessMetrics(registry)
  addStoreMetrics(registry, sources)
  const requests = new RequestMetrics(registry, sources.basePath)
  const limits = new Counter({
    name: 'kss_limit_hits_total',
    help: 'Requests and connections that a limit refused',
    labelNames: ['limit'] as const,
    registers: [registry],
  })
  for (const limit of ['logins', 'registrations', 'connections', 'quota']) limits.inc({ limit }, 0)
  return {
    count: (request) => {
      requests.add(request)
      const limit = request.status < 400 ? undefined : limitOf(request)
      if (limit !== undefined) limits.inc({ limit })
    },
    read: () => registry.metrics(),
    contentType: registry.contentType,
  }
}

function addStoreMetrics(registry: Registry, { stats, hashes, users, outbox }: MetricsSources): void {
  const add = addMetricsTo(registry)
  const figures = (): Figures => stats.figures()
  add(Counter, 'kss_log_flushes_total', 'Flushes of the write-ahead log', () => figures().flushes)
  add(Counter, 'kss_log_flush_seconds_total', 'Time of these flushes', () => figures().flushSeconds)
  add(Gauge, 'kss_log_bytes', 'Bytes in the write-ahead log', () => figures().logBytes)
  add(
    Gauge,
    'kss_checkpoint_lag_seconds',
    'Age of the oldest push that is not durable in its file',
    () => figures().lagSeconds,
  )
  add(Counter, 'kss_cache_hits_total', 'Records that were read from memory', () => figures().cacheHits)
  add(Counter, 'kss_cache_misses_total', 'Records that were looked for on the disk', () => figures().cacheMisses)
  add(Gauge, 'kss_store_ready', '1 when pushes can be stored, else 0', () => (stats.failure() === undefined ? 1 : 0))
  add(Gauge, 'kss_hash_queue', 'Keys that are hashed or wait for it', hashes)
  add(Gauge, 'kss_users', 'Accounts, 10001 for more than 10000', users)
  if (outbox) add(Gauge, 'kss_bridge_outbox', 'Changes that wait to be sent elsewhere', outbox)
}

function limitOf({ method, path, status, reason = '' }: Counted): string | undefined {
  if (status === 507) return reason.endsWith('keeps as much as it may.') ? 'quota' : undefined
  if (status !== 429 && !reason.startsWith('Too many')) return undefined
  if (method === '-') return 'connections'
  return path.endsWith('/users/create') ? 'registrations' : 'logins'
}
