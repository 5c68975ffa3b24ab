import { hash } from 'node:crypto'
import type { Stats } from 'node:fs'
import type { Progress } from '../../../kosync/protocol.ts'
import { replaceFile, setAside } from '../../../durable.ts'
import { readHistory } from './history-file.ts'
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
 * newest good history line takes its place; undefined when there is none. @see STORAGE.md §3, Faults
 */
export async function readRecord(
  text: string,
  stats: Stats,
  path: string,
  onDamage: (error: unknown) => void,
): Promise<StoredRecord | undefined> {
  try {
    return { record: parseProgress(text, path, Math.floor(stats.mtimeMs / 1000)), sum: sumOf(text) }
  } catch (error) {
    onDamage(error)
  }
  const newest = (await readHistory(path)).at(-1)
  const restored = newest && formatRecord(newest)
  let sum: string | null = null
  try {
    await setAside(path)
    if (restored !== undefined) {
      await replaceFile(path, restored)
      sum = sumOf(restored)
    }
  } catch (error) {
    onDamage(error)
  }
  return newest && { record: newest, sum }
}
