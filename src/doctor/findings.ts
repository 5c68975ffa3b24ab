import type { Progress } from '../kosync/protocol.ts'
import { mostHistories, newestFirst, readHistories } from '../library/histories.ts'
import { findMismatches } from '../library/mismatches.ts'
import { isRestored } from '../library/restore.ts'

/** A finding in the records of an account; sentences.ts has the words. */
export type Finding =
  /** One book under two ids, because its readers match documents by different methods. */
  | { kind: 'mismatch'; byContent: Progress; byFileName: Progress }
  /** One title under two ids of two readers, neither of which is known to be that of a file name. */
  | { kind: 'twoFiles'; one: Progress; other: Progress }
  /** A reader moved a book back to a place where another one had been long before. */
  | { kind: 'backwards'; record: Progress; before: Progress }
  /** A time in the future, which pushes of the book keep until then. */
  | { kind: 'ahead'; record: Progress }
  /** Nothing was pushed for a month. */
  | { kind: 'silent'; record: Progress }
  /** No records: nothing was pushed, or all books were removed. */
  | { kind: 'never' }

/** Reads the rows of the record's history, oldest first. */
export type ReadHistory = (record: Progress) => Promise<Progress[]>

/** Findings of a kind; the others are in `kss doc list`. */
const most = 20

/** Seconds. */
const month = 30 * 86_400

/** The clocks of two machines may differ by so many seconds. */
const tolerance = 300

/** The least step back that is too large for paging, as a fraction of a book. */
const leastStep = 0.05

/** The fraction from which a book counts as finished. */
const finished = 0.98

/** The findings in the books of an account; `now` is in seconds since 1970. */
export async function findTroubles(records: Progress[], now: number, readHistory: ReadHistory): Promise<Finding[]> {
  if (records.length === 0) return [{ kind: 'never' }]
  const last = lastOf(records)
  const silent: Finding[] = last && now - last.timestamp > month ? [{ kind: 'silent', record: last }] : []
  return [...silent, ...findInRecords(records, now), ...(await findBackwards(records, now, readHistory))]
}

/** The findings that need no history. */
export function findInRecords(records: Progress[], now: number): Finding[] {
  const ahead = records.filter(({ timestamp }) => timestamp > now + tolerance)
  const mismatches = take(findMismatches(records))
  const known = new Set(mismatches.flatMap(({ byContent, byFileName }) => [byContent, byFileName]))
  return [
    ...mismatches.map((mismatch) => ({ kind: 'mismatch', ...mismatch }) as const),
    ...take(findTwoFiles(records.filter((record) => !known.has(record)))),
    ...take(ahead).map((record) => ({ kind: 'ahead', record }) as const),
  ]
}

/** The latest record that a reader pushed; a restore does not count. */
export function lastOf(records: Progress[]): Progress | undefined {
  return newestFirst(records).find((record) => !isRestored(record))
}

function* findTwoFiles(records: Progress[]): Generator<Finding> {
  const byTitle = new Map<string, Progress>()
  for (const record of records) {
    const { title, authors } = record.metadata ?? {}
    // A restore does not say which reader's file it is of.
    if (!title || isRestored(record)) continue
    const name = JSON.stringify([title, authors])
    const one = byTitle.get(name)
    if (!one) byTitle.set(name, record)
    else if (!isSameReader(one, record)) yield { kind: 'twoFiles', one, other: record }
  }
}

async function findBackwards(records: Progress[], now: number, readHistory: ReadHistory): Promise<Finding[]> {
  const recent = records.filter((record) => now - record.timestamp < month && !isRestored(record))
  const histories = await readHistories(newestFirst(recent).slice(0, mostHistories), readHistory)
  const found = histories.flatMap(({ record, rows }) => {
    const before = rows.findLast((row) => !isSameReader(row, record))
    const isBack = before && before.percentage - record.percentage >= leastStep
    return isBack && !isReadAnew(before, now) ? [{ kind: 'backwards', record, before } as const] : []
  })
  return take(found)
}

/** Whether a new start of the book is likely: it was finished, or not read for long. */
function isReadAnew(before: Progress, now: number): boolean {
  return before.percentage >= finished || now - before.timestamp > month
}

function isSameReader(one: Progress, other: Progress): boolean {
  return (one.device_id ?? one.device) === (other.device_id ?? other.device)
}

function take<T>(found: Iterable<T>): T[] {
  const taken: T[] = []
  for (const each of found) {
    if (taken.length === most) break
    taken.push(each)
  }
  return taken
}
