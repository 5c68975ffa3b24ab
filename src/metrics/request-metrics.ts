import { Counter, type Histogram, type Registry } from 'prom-client'

/** What is counted of a request; a line of the log has it. */
export interface Counted {
  method: string
  path: string
  status: number
  /** Milliseconds. */
  ms: number
  reason?: string
}

/** Seconds. A reader gives up after two. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5]

const routes = new Set([
  '/healthcheck',
  '/users/create',
  '/users/auth',
  '/users/password',
  '/users/me',
  '/syncs/progress',
])
const methods = new Set(['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'OPTIONS', '-'])

/** What was counted of a route. */
class RouteCounts {
  /** By method, then by status. */
  readonly answers = new Map<string, Map<number, number>>()
  /** Those that took no longer than the bucket of this index, and longer than the one before it; at the end the others. */
  readonly times = Array.from({ length: buckets.length + 1 }, () => 0)
  seconds = 0
}

/**
 * Requests by route. They are counted in plain numbers, which prom-client gets when it is asked: its own counters look
 * up each label anew, and that took 5 % of a request.
 */
export class RequestMetrics {
  readonly #basePath: string
  readonly #routes = new Map<string, RouteCounts>()

  constructor(registry: Registry, basePath: string) {
    this.#basePath = basePath
    const requests = this.#routes
    const answers = new Counter({
      name: 'kss_requests_total',
      help: 'Requests that were answered',
      labelNames: ['route', 'method', 'status'] as const,
      registers: [],
      collect() {
        this.reset()
        for (const [route, counts] of requests)
          for (const [method, statuses] of counts.answers)
            for (const [status, count] of statuses) this.inc({ route, method, status }, count)
      },
    })
    registry.registerMetric(answers)
    const name = 'kss_request_duration_seconds'
    const values = (): Sample[] => [...requests].flatMap(([route, counts]) => samplesOf(name, route, counts))
    const seconds = {
      name,
      help: 'Time from a request to its answer',
      type: 'histogram',
      get: () => ({ ...seconds, values: values() }),
    }
    // Of a metric the registry calls nothing but get, and a Histogram of prom-client cannot be given its counts.
    registry.registerMetric(seconds as unknown as Histogram)
  }

  add({ method, path, status, ms }: Counted): void {
    const route = routeOf(path, this.#basePath)
    let counts = this.#routes.get(route)
    if (!counts) this.#routes.set(route, (counts = new RouteCounts()))
    const { answers, times } = counts
    const known = methods.has(method) ? method : 'other'
    let statuses = answers.get(known)
    if (!statuses) answers.set(known, (statuses = new Map()))
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
    const seconds = ms / 1000
    counts.seconds += seconds
    let at = 0
    while (at < buckets.length && seconds > buckets[at]!) at += 1
    times[at]! += 1
  }
}

interface Sample {
  metricName: string
  labels: Record<string, string | number>
  value: number
}

/** As the text format of Prometheus has a histogram: each bucket has the shorter ones in it. */
function samplesOf(name: string, route: string, { times, seconds }: RouteCounts): Sample[] {
  let count = 0
  const samples: Sample[] = times.map((value, at) => {
    count += value
    return { metricName: `${name}_bucket`, labels: { le: buckets[at] ?? '+Inf', route }, value: count }
  })
  samples.push({ metricName: `${name}_sum`, labels: { route }, value: seconds })
  samples.push({ metricName: `${name}_count`, labels: { route }, value: count })
  return samples
}

/** The route of a path: each is one of a few, whatever strangers ask for. */
function routeOf(path: string, basePath: string): string {
  if (path === '-') return 'none'
  const own = path.startsWith(basePath) ? path.slice(basePath.length) : ''
  if (own.startsWith('/syncs/progress/')) return '/syncs/progress/:document'
  return routes.has(own) ? own : 'other'
}
