import { rm, stat } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
import { LRUCache } from 'lru-cache'
import { isRepeat, type Progress } from '../../../kosync/protocol.ts'
import { appendUnflushed, makeFolder, replaceFile, syncFile, syncFolder } from '../../../durable.ts'
import { hasCode, unlessAbsent } from '../../../error-code.ts'
import { block, cutLastLines, findLastLines, readLinesFrom } from './file-tail.ts'
import { parseProgress } from './progress-file.ts'
import { mergeRows, rowOf } from './rows.ts'
import { checkFoldersOf, readTrusted } from '../../../trusted-file.ts'

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
export function parseRow(line: string, path: string, fileTime = 0): Progress | undefined {
  try {
    return parseProgress(line, path, fileTime)
  } catch {
    return undefined
  }
}

interface Appended {
  /** Lines of the file, as far as the limit goes. */
  length: number
  /** The file was made, or was empty. */
  isNew: boolean
}

/** The histories that pushes are added to. */
export class HistoryFiles {
  readonly #limit: number
  /** How many lines a file has, as far as the limit goes; those that were not written to for long are counted anew. */
  readonly #lengths = new LRUCache<string, number>({ maxSize: 10_000, sizeCalculation: () => 1 })

  /** `limit` is how many rows each keeps, the newest; 0 for all. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /**
   * Adds the lines to the history of the record at the path; they are durable after `flush`. `unsure`: some of them or
   * parts of them may be there already, after a crash or an append that failed; then they are made its end. Whether
   * the file may be new, so that its entry in the folder is not durable either.
   */
  async add(recordPath: string, lines: string[], unsure: boolean): Promise<boolean> {
    const path = historyPath(recordPath)
    const known = this.#lengths.get(path)
    this.#lengths.delete(path)
    if (unsure) await this.#cutOff(path, lines)
    const { length, isNew } = await this.#append(recordPath, lines, known)
    this.#lengths.set(path, length)
    // A process that was killed may have made the file.
    return isNew || unsure
  }

  /** Makes durable what was added to the history of the record at the path. */
  async flush(recordPath: string, isNew: boolean): Promise<void> {
    const path = historyPath(recordPath)
    await syncFile(path)
    if (isNew) await unlessAbsent(syncFolder(dirname(path)))
  }

  /** Adds those rows that the history of the record at the path lacks, in the order of their times, durably. */
  async addMissing(recordPath: string, rows: Progress[]): Promise<void> {
    const history = await readHistory(recordPath)
    const merged = mergeRows(history, rows.map(rowOf))
    if (merged.length > history.length) await this.replace(recordPath, merged)
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
    await checkFoldersOf(path)
    await rm(path, { force: true })
    await unlessAbsent(syncFolder(dirname(path)))
  }

  /** Counts the lines of the folder's files anew: somebody else changed them. */
  forget(folder: string): void {
    for (const path of this.#lengths.keys()) {
      if (path.startsWith(folder + sep)) this.#lengths.delete(path)
    }
  }

  /** `known` is how many lines there were, if counted. Resolves to how many there are now, as far as the limit goes. */
  async #append(recordPath: string, lines: string[], known: number | undefined): Promise<Appended> {
    const path = historyPath(recordPath)
    const most = this.#limit + this.#slack
    const length = known ?? (await findLastLines(path, most + 1)).count
    const added = length > 0 ? lines : [...(await readEarlier(recordPath, lines)), ...lines]
    if (this.#limit > 0 && length + added.length > most) {
      return { length: await this.#trim(path, added), isNew: false }
    }
    const isNew = await appendUnflushed(path, joinLines(added))
    // The log does not hold the earlier record, and its file is replaced next.
    if (added.length > lines.length) await this.flush(recordPath, isNew)
    return { length: length + added.length, isNew }
  }

  /** Replaces the history by its newest lines, and these. */
  async #trim(path: string, added: string[]): Promise<number> {
    const room = this.#limit - added.length
    if (room <= 0) return await this.#replace(path, added)
    const { start, count } = await findLastLines(path, room)
    // Somebody removed it.
    if (count === 0) return await this.#replace(path, added)
    await replaceFile(path, concat(readLinesFrom(path, start), joinLines(added)))
    return this.#limit
  }

  /**
   * Cuts off the end what may be of the lines, whole or torn, so that they can be appended: they are in the log until
   * that is durable. So a long history is neither read nor written. Also if it has them all: the pages of a failed flush
   * may never come to the disk. What is there of them begins with the first one, or with what a crash made of it: an
   * equal line alone is an earlier one.
   */
  async #cutOff(path: string, lines: string[]): Promise<void> {
    const ours = new Map<string, number>()
    for (const line of lines) ours.set(line, (ours.get(line) ?? 0) + 1)
    await cutLastLines(path, Buffer.byteLength(joinLines(lines)) + block, (line) => {
      const times = ours.get(line) ?? 0
      if (times > 0) ours.set(line, times - 1)
      else return parseRow(line, path) ? 'none' : 'first'
      return line === lines[0] ? 'first' : 'inner'
    })
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

/** What a history begins with: the record that an older kss, or an import, left without one. */
async function readEarlier(recordPath: string, lines: string[]): Promise<string[]> {
  const text = await unlessAbsent(readTrusted(recordPath))
  if (text === undefined) return []
  const { mtimeMs } = await stat(recordPath)
  const record = parseRow(text, recordPath, Math.floor(mtimeMs / 1000))
  const rows = lines.map((line) => parseRow(line, recordPath))
  // Not if it is one of the rows, or another document's.
  const isEarlier = record && rows.every((row) => row?.document === record.document && !isRepeat(record, row))
  return isEarlier ? [JSON.stringify(rowOf(record))] : []
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

async function* concat(before: AsyncIterable<Buffer | string>, after: string): AsyncGenerator<Buffer | string> {
  yield* before
  yield after
}

function joinLines(lines: string[]): string {
  return lines.map((line) => `${line}\n`).join('')
}

/** The lines of a history, whole or not. */
export async function readLines(path: string): Promise<string[]> {
  const text = (await unlessAbsent(readTrusted(path))) ?? ''
  return text.split('\n').filter((line) => line !== '')
}
