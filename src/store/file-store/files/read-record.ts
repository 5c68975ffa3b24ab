import type { Stats } from 'node:fs'
import type { Progress } from '../../../kosync/protocol.ts'
import { replaceFile, setAside } from '../../../durable.ts'
import { readHistory } from './history-file.ts'
import { parseProgress } from './progress-file.ts'

/**
 * The record that the text of its file holds. One that does not parse is told to `onDamage` and set aside, and the
 * newest good history line takes its place; undefined when there is none. @see STORAGE.md §3, Faults
 */
export async function readRecord(
  text: string,
  stats: Stats,
  path: string,
  onDamage: (error: unknown) => void,
): Promise<Progress | undefined> {
  try {
    return parseProgress(text, path, Math.floor(stats.mtimeMs / 1000))
  } catch (error) {
    onDamage(error)
  }
  const newest = (await readHistory(path)).at(-1)
  try {
    await setAside(path)
    if (newest) await replaceFile(path, `${JSON.stringify(newest)}\n`)
  } catch (error) {
    onDamage(error)
  }
  return newest
}
