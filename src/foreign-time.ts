/** KOsync 2026.05 and newer count 1/10,000 s: from 2001 to 5138. As milliseconds the first would be in the year 2286. */
const tenths = { first: 1e13, end: 1e15 }

/**
 * A time of another server as `toProgress` reads it. Text as SQLite, JavaScript or .NET writes it becomes seconds since
 * 1970, in UTC when it names no zone; what is before 1970 is .NET's way to say none. Seconds and milliseconds stay as
 * they are.
 */
export function readTime(value: unknown): unknown {
  if (typeof value === 'number' && value >= tenths.first && value < tenths.end) return value / 10_000
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\d[T ]/.test(value)) return value
  const zoned = /(?:Z|[+-]\d\d:?\d\d)$/i.test(value) ? value : `${value}Z`
  const milliseconds = Date.parse(zoned.replace(' ', 'T'))
  return milliseconds > 0 ? milliseconds / 1000 : undefined
}
