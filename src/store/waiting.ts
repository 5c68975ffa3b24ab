import type { Progress } from '../protocol.ts'
import { againLine, pushLine } from './journal-entry.ts'

/** A record whose file is older than the journal. */
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

/** The journal's lines for all that waits, in place of those that stand there. */
export function keepAnew({ path, record, lines }: Waiting): string {
  const rows = lines.map((line) => pushLine(path, line, true))
  return againLine(path) + rows.join('') + pushLine(path, JSON.stringify(record), false)
}

/** Takes what waits now, for one round. */
export function take(waiting: Waiting): Taken {
  const { record, lines } = waiting
  waiting.lines = []
  return { waiting, record, lines }
}
