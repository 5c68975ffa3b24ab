import { hash } from 'node:crypto'
import type { Stats } from 'node:fs'
import type { Progress } from '../../../kosync/protocol.ts'
import { replaceDamaged } from '../../../durable.ts'
import { unlessAbsent } from '../../../error-code.ts'
import { readWithStats } from '../file-cache.ts'
import { readHistory } from './history-file.ts'
import { isYoung } from './is-young.ts'
import { parseProgress } from './progress-file.ts'

/** A record as its file holds it. */
export interface StoredRecord {
  record: Progress
  /** SHA-256 in hex of the file's text; null when the record is in no file. */
  sum: string | null
}

export function sumOf(text: string): string {
  return hash('sha256', text)
}

/** The text of the record's file. */
export function formatRecord(record: Progress): string {
  return `${JSON.stringify(record)}\n`
}

/**
 * The record that the text of its file holds. One that does not parse is told to `onDamage` and set aside, and the
 * newest good history line takes its place; undefined when there is none. A file that somebody may just be writing stays
 * as it is. @see STORAGE.md §3, Faults
 */
export async function readRecord(
  text: string,
  stats: Stats,
  path: string,
  onDamage: (error: unknown) => void,
  tries = 3,
): Promise<StoredRecord | undefined> {
  let damage: unknown
  try {
    return { record: parseProgress(text, path, Math.floor(stats.mtimeMs / 1000)), sum: sumOf(text) }
  } catch (error) {
    damage = error
  }
  const newest = (await readHistory(path)).at(-1)
  if (stats.isFile() && isYoung(stats)) return newest && { record: newest, sum: sumOf(text) }
  onDamage(damage)
  const restored = newest && formatRecord(newest)
  try {
    if (await replaceDamaged(path, stats, restored)) return newest && { record: newest, sum: sumOf(restored!) }
    // A file system whose numbers never agree must not hold this up.
    if (tries === 1) return newest && { record: newest, sum: null }
  } catch (error) {
    onDamage(error)
    return newest && { record: newest, sum: null }
  }
  const file = await unlessAbsent(readWithStats(path))
  return file && (await readRecord(file.text, file.stats, path, onDamage, tries - 1))
}
