/** Bounds of an archive, which somebody else may have made. Sizes are in bytes, not compressed. */
export interface ArchiveLimits {
  entries: number
  /** The whole archive. */
  bytes: number
  manifest: number
  /** A record, an auth.json, or .registration.json. A push has 16 KiB at most. */
  record: number
  /** The history of a document: over 1,000 pushes of 16 KiB. */
  history: number
  /** All segments of the log together: they are read at once. */
  log: number
}

const mebibyte = 2 ** 20

export const archiveLimits: ArchiveLimits = {
  entries: 10_000_000,
  bytes: 65_536 * mebibyte,
  manifest: mebibyte,
  record: mebibyte,
  history: 64 * mebibyte,
  log: 320 * mebibyte,
}

/** Returns a function that takes the name and size of each file of an archive, and tells whether it is too large. */
export function createSizeCheck(limits: ArchiveLimits): (name: string, size: number) => boolean {
  let log = 0
  return (name, size) => {
    if (name.includes('/history/')) return size > limits.history
    if (!/^\.(wal|journal)\//.test(name)) return size > limits.record
    log += size
    return log > limits.log
  }
}
