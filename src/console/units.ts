const units = ['bytes', 'KB', 'MB', 'GB', 'TB']

/** As 12.1 MB, of 1,024 bytes each. */
export function formatBytes(bytes: number): string {
  const at = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1)
  return `${Number((bytes / 1024 ** at).toFixed(1))} ${units[at]}`
}

/** As `1 document`, `1,200 documents`. */
export function count(number: number, noun: string): string {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`
}

/** Seconds as `3 days`, `2 hours` or `5 minutes`. */
export function formatDuration(seconds: number): string {
  if (seconds >= 2 * 86_400) return count(Math.floor(seconds / 86_400), 'day')
  if (seconds >= 2 * 3600) return count(Math.floor(seconds / 3600), 'hour')
  return count(Math.floor(seconds / 60), 'minute')
}
