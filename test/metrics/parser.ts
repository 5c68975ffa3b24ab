// @ts-expect-error TS7016: it has no types.
import parse from 'parse-prometheus-text-format'

interface Sample {
  value?: string
  labels?: Record<string, string>
  buckets?: Record<string, string>
}

interface Family {
  name: string
  help: string
  type: string
  metrics: Sample[]
}

/** The metrics of a scrape, by name. */
export function parseMetrics(text: string): Map<string, Family> {
  return new Map((parse as (text: string) => Family[])(text).map((family) => [family.name, family]))
}

/** The value of a metric that has no labels, or these. */
export function valueOf(families: Map<string, Family>, name: string, labels: Record<string, string> = {}): number {
  const found = families
    .get(name)
    ?.metrics.find((sample) => Object.entries(labels).every(([label, value]) => sample.labels?.[label] === value))
  return Number(found?.value)
}
