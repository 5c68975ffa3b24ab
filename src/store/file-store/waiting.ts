import { stat } from 'node:fs/promises'
import type { Progress } from '../../kosync/protocol.ts'
import { unlessAbsent } from '../../error-code.ts'
import { formatKept } from './wal/record.ts'

/** A record whose file is older than the log. */
export interface Waiting {
  key: string
  path: string
  record: Progress
  /** History lines, without their ends. */
  lines: string[]
  /** The file is another document's, and is to be set aside. */
  foreign: boolean
  /** Some of the lines may be in the history already. */
  unsure: boolean
  /** Why it could not be written. */
  failure?: unknown
  /** While it is being written. */
  writing?: Promise<void>
}

/** What one round writes of it. */
export interface Taken {
  waiting: Waiting
  record: Progress
  lines: string[]
}

/** The log's record of all that waits, in place of those that stand there. */
export function keepAnew({ path, record, lines }: Waiting): string {
  return formatKept(path, lines, JSON.stringify(record))
}

/** Takes what waits now, for one round. */
export function take(waiting: Waiting): Taken {
  const { record, lines } = waiting
  waiting.lines = []
  return { waiting, record, lines }
}

/** Whether a user's folder is not there: not when the disk cannot say. */
export async function isGone(folder: string): Promise<boolean> {
  try {
    return (await unlessAbsent(stat(folder))) === undefined
  } catch {
    return false
  }
}
