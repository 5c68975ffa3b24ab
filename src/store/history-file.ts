import { readFile, rm } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
import { LRUCache } from 'lru-cache'
import type { Progress } from '../protocol.ts'
import { appendLines, makeFolder, replaceFile, syncFolder } from './atomic-file.ts'
import { hasCode, unlessAbsent } from './error-code.ts'
import { parseProgress } from './progress-file.ts'

/** Where the history of the record at the path is. @see STORAGE.md §1 */
export function historyPath(recordPath: string): string {
  return join(dirname(recordPath), 'history', `${basename(recordPath, '.json')}.jsonl`)
}

/** The rows of the record at the path, oldest first, without what a crash tore. */
export async function readHistory(recordPath: string): Promise<Progress[]> {
  const path = historyPath(recordPath)
  return (await readLines(path)).flatMap((line) => parseRow(line, path) ?? [])
}

/** A line of a history; undefined when it is not whole. */
export function parseRow(line: string, path: string): Progress | undefined {
  try {
    return parseProgress(line, path, 0)
  } catch {
    return undefined
  }
}

/** The histories that pushes are added to. */
export class HistoryFiles {
  readonly #limit: number
  /** How many lines a file has; those that were not written to for long are counted anew. */
  readonly #lengths = new LRUCache<string, number>({ max: 10_000 })

  /** `limit` is how many rows each keeps, the newest; 0 for all. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /**
   * Adds the lines to the history of the record at the path, durably. `unsure`: some of them or parts of them may be
   * there already, after a crash or an append that failed; then they are made its end.
   */
  async add(recordPath: string, lines: string[], unsure: boolean): Promise<void> {
    const path = historyPath(recordPath)
    const known = this.#lengths.get(path)
    this.#lengths.delete(path)
    const length = await (unsure ? this.#merge(path, lines) : this.#append(path, lines, known))
    if (length > 0) this.#lengths.set(path, length)
  }

  /** Puts the rows in the place of all that is there, durably. */
  async replace(recordPath: string, rows: Progress[]): Promise<void> {
    const path = historyPath(recordPath)
    this.#lengths.delete(path)
    await this.#replace(
      path,
      rows.map((row) => JSON.stringify(row)),
    )
  }

  /** Removes the history of the record at the path, durably. */
  async remove(recordPath: string): Promise<void> {
    const path = historyPath(recordPath)
    this.#lengths.delete(path)
    await rm(path, { force: true })
    await unlessAbsent(syncFolder(dirname(path)))
  }

  /** Counts the lines of the folder's files anew: somebody else changed them. */
  forget(folder: string): void {
    for (const path of this.#lengths.keys()) {
      if (path.startsWith(folder + sep)) this.#lengths.delete(path)
    }
  }

  /** Resolves to how many lines there are now; 0 where nobody counts. */
  async #append(path: string, lines: string[], known: number | undefined): Promise<number> {
    if (this.#limit > 0) {
      const length = (known ?? (await readLines(path)).length) + lines.length
      if (length > this.#limit + this.#slack) return await this.#replace(path, [...(await readLines(path)), ...lines])
      await appendLines(path, joinLines(lines))
      return length
    }
    await appendLines(path, joinLines(lines))
    return 0
  }

  async #merge(path: string, lines: string[]): Promise<number> {
    const before = await readLines(path)
    const ours = new Map<string, number>()
    for (const line of lines) ours.set(line, (ours.get(line) ?? 0) + 1)
    for (let line = before.at(-1); line !== undefined; line = before.at(-1)) {
      const times = ours.get(line) ?? 0
      if (times > 0) ours.set(line, times - 1)
      else if (parseRow(line, path)) break
      before.pop()
    }
    // Anew even if it has them all: what a failed flush left in the memory of the system may never come to the disk.
    return await this.#replace(path, [...before, ...lines])
  }

  async #replace(path: string, lines: string[]): Promise<number> {
    const kept = this.#limit > 0 ? lines.slice(-this.#limit) : lines
    await replaceLines(path, kept)
    return kept.length
  }

  /** Rows over the limit before the oldest go, so that a long history is not written anew with each push. */
  get #slack(): number {
    return this.#limit < 100 ? 0 : this.#limit / 10
  }
}

async function replaceLines(path: string, lines: string[]): Promise<void> {
  try {
    await replaceFile(path, joinLines(lines))
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
    await makeFolder(dirname(path))
    await replaceFile(path, joinLines(lines))
  }
}

function joinLines(lines: string[]): string {
  return lines.map((line) => `${line}\n`).join('')
}

/** The lines of a history, whole or not. */
export async function readLines(path: string): Promise<string[]> {
  const text = (await unlessAbsent(readFile(path, 'utf8'))) ?? ''
  return text.split('\n').filter((line) => line !== '')
}
