import type { Counter, Gauge, Registry } from 'prom-client'

/** Adds a metric without labels, which is read when somebody asks for it. */
export type AddMetric = (
  Type: typeof Gauge | typeof Counter,
  name: string,
  help: string,
  read: () => number | Promise<number>,
) => void

export function addMetricsTo(registry: Registry): AddMetric {
  return (Type, name, help, read) => {
    const metric = new Type({
      name,
      help,
      registers: [],
      async collect() {
        this.reset()
        this.inc(await read())
      },
    })
    registry.registerMetric(metric)
  }
}
