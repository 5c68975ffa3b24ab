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

/** The rows of two histories of one document as one, each change once. */
export function mergeRows(ours: Progress[], theirs: Progress[]): Progress[] {
  const merged: Progress[] = []
  for (const row of interleaveRows(ours, theirs)) {
    if (!isRepeat(merged.at(-1), row)) merged.push(row)
  }
  return merged
}

/** The rows of a history and those that come behind it. The first ones of these may be in it already. */
export function withRows(rows: Progress[], unwritten: Progress[]): Progress[] {
  let count = Math.min(rows.length, unwritten.length)
  const areThere = (): boolean => rows.slice(-count).every((row, at) => identity(row) === identity(unwritten[at]!))
  while (count > 0 && !areThere()) count -= 1
  return [...rows, ...unwritten.slice(count)]
}

/** The rows of a history with the record as the last one. */
export function endWith(rows: Progress[], record: Progress): Progress[] {
  return isRepeat(rows.at(-1), record) ? rows : [...rows, rowOf(record)]
}

/**
 * Two lists of rows as one, by their times. What both have stands where ours has it. Each list keeps its own order: a
 * clock that was ahead for a while made times fall, so a row counts as no later than the rows behind it.
 */
export function interleaveRows(ours: Progress[], theirs: Progress[]): Progress[] {
  const theirTimes = timesOf(theirs)
  const places = new Map(theirs.map((row, at) => [identity(row), at]))
  const ourTimes = timesOf(ours, (row) => theirTimes[places.get(identity(row)) ?? -1])
  const ourKeys = new Set(ours.map(identity))
  const merged: Progress[] = []
  let next = 0
  const addTheirs = (before: number, place: number): void => {
    for (; next < theirs.length && (theirTimes[next]! < before || next < place); next++) {
      if (!ourKeys.has(identity(theirs[next]!))) merged.push(theirs[next]!)
    }
  }
  for (const [at, row] of ours.entries()) {
    addTheirs(ourTimes[at]!, places.get(identity(row)) ?? 0)
    merged.push(row)
  }
  addTheirs(Infinity, theirs.length)
  return merged
}

/** Of each row the lowest time that it or a row behind it has, also in another list, if `elsewhere` knows it. */
function timesOf(rows: Progress[], elsewhere: (row: Progress) => number | undefined = () => undefined): number[] {
  const times: number[] = []
  let lowest = Infinity
  for (const row of rows.toReversed()) {
    lowest = Math.min(lowest, row.timestamp, elsewhere(row) ?? Infinity)
    times.push(lowest)
  }
  return times.toReversed()
}

/** The newest `keep` rows, of those since a time in seconds since 1970; the newest one always stays. */
export function keptRows(rows: Progress[], keep: number, since: number): Progress[] {
  return rows.filter(({ timestamp }, at) => {
    const newer = rows.length - 1 - at
    return newer === 0 || (timestamp >= since && newer < keep)
  })
}

/** Whether the row is one of the rows. */
export function hasRow(rows: Progress[], row: Progress): boolean {
  const wanted = identity(row)
  return rows.some((each) => identity(each) === wanted)
}

function identity({ timestamp, progress, percentage, device, device_id }: Progress): string {
  return JSON.stringify([timestamp, progress, percentage, device, device_id])
}
