/**
 * A time as `toProgress` reads it. Text as SQLite, JavaScript or .NET writes it becomes seconds since 1970, in UTC when
 * it names no zone; what is before 1970 is .NET's way to say none. Numbers stay as they are.
 */
export function readTime(value: unknown): unknown {
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\d[T ]/.test(value)) return value
  const zoned = /(?:Z|[+-]\d\d:?\d\d)$/i.test(value) ? value : `${value}Z`
  const milliseconds = Date.parse(zoned.replace(' ', 'T'))
  return milliseconds > 0 ? milliseconds / 1000 : undefined
}
