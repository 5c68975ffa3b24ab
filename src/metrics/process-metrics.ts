import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, Gauge, type Registry } from 'prom-client'
import { addMetricsTo } from './add-metric.ts'

/** Milliseconds between two looks at the event loop. */
const resolution = 10

/**
 * Processor, memory and event loop, under the names of prom-client's default metrics. Those also watch each collection of
 * garbage, and that takes 5 % of a request.
 */
export function addProcessMetrics(registry: Registry): void {
  const add = addMetricsTo(registry)
  const startTime = Date.now() / 1000 - process.uptime()
  add(Counter, 'process_cpu_seconds_total', 'Processor time of all threads', cpuSeconds)
  add(Gauge, 'process_start_time_seconds', 'When it started, since 1970', () => startTime)
  add(Gauge, 'process_resident_memory_bytes', 'Resident memory', () => process.memoryUsage.rss())
  add(Gauge, 'nodejs_heap_size_total_bytes', 'The heap', () => process.memoryUsage().heapTotal)
  add(Gauge, 'nodejs_heap_size_used_bytes', 'The heap in use', () => process.memoryUsage().heapUsed)
  add(Gauge, 'nodejs_external_memory_bytes', 'Buffers, outside of the heap', () => process.memoryUsage().external)
  addEventLoopLag(registry)
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** The time from one look at the event loop to the next, since the last scrape: 10 ms when nothing lags. */
function addEventLoopLag(registry: Registry): void {
  const delays = monitorEventLoopDelay({ resolution })
  delays.enable()
  const help = 'Time between two looks at the event loop, which are 10 ms apart'
  const create = (name: string, collect?: () => void): Gauge =>
    new Gauge({
      name: `nodejs_eventloop_lag_${name}_seconds`,
      help,
      registers: [registry],
      ...(collect && { collect }),
    })
  // The first of them is asked first, and reads all.
  const mean = create('mean', () => {
    mean.set(delays.mean / 1e9)
    p50.set(delays.percentile(50) / 1e9)
    p90.set(delays.percentile(90) / 1e9)
    p99.set(delays.percentile(99) / 1e9)
    max.set(delays.max / 1e9)
    delays.reset()
  })
  const [p50, p90, p99, max] = [create('p50'), create('p90'), create('p99'), create('max')]
}
