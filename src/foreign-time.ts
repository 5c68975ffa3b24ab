/** Range of times in 1/10,000 s, as in KOsync 2026.05 and newer: from the year 2001 to 5138. */
const tenths = { first: 1e13, end: 1e15 }

/**
 * Converts a time of another server to a value that `toProgress` accepts. Text of SQLite, JavaScript or .NET becomes
 * seconds since 1970, in UTC when it has no zone; a time before 1970 means none (.NET). Numbers in seconds or
 * milliseconds are returned unchanged.
 */
export function readTime(value: unknown): unknown {
  if (typeof value === 'number' && value >= tenths.first && value < tenths.end) return value / 10_000
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\d[T ]/.test(value)) return value
  const zoned = /(?:Z|[+-]\d\d:?\d\d)$/i.test(value) ? value : `${value}Z`
  const milliseconds = Date.parse(zoned.replace(' ', 'T'))
  return milliseconds > 0 ? milliseconds / 1000 : undefined
}
