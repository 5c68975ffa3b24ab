import { isRepeat, type Progress } from '../../../kosync/protocol.ts'

/** What the history keeps of a record. */
export function rowOf({ document, percentage, progress, device, device_id, timestamp, metadata }: Progress): Progress {
  return {
    document,
    percentage,
    progress,
    device,
    ...(device_id !== undefined && { device_id }),
    timestamp,
    ...(metadata && { metadata }),
  }
}

/** The rows of two histories of one document as one: in the order of their times, each change once. */
export function mergeRows(ours: Progress[], theirs: Progress[]): Progress[] {
  const known = new Set(ours.map(identity))
  const added = theirs.filter((row) => !known.has(identity(row)))
  const rows = [...ours, ...added].toSorted((one, other) => one.timestamp - other.timestamp)
  const merged: Progress[] = []
  for (const row of rows) {
    if (!isRepeat(merged.at(-1), row)) merged.push(row)
  }
  return merged
}

/** The newest `keep` rows, of those since a time in seconds since 1970; the newest one always stays. */
export function keptRows(rows: Progress[], keep: number, since: number): Progress[] {
  return rows.filter(({ timestamp }, at) => {
    const newer = rows.length - 1 - at
    return newer === 0 || (timestamp >= since && newer < keep)
  })
}

function identity({ timestamp, progress, percentage, device, device_id }: Progress): string {
  return JSON.stringify([timestamp, progress, percentage, device, device_id])
}
