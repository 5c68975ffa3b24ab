import { dirname, join, sep } from 'node:path'
import { isRepeat, nextProgress, type Progress } from '../../kosync/protocol.ts'
import { Batcher } from '../../batcher.ts'
import { FileCache } from './file-cache.ts'
import { toFileName } from './files/file-name.ts'
import { HistoryFiles, readHistory } from './files/history-file.ts'
import type { WriteAheadLog } from './wal/log.ts'
import { formatPush, formatTombstone } from './wal/record.ts'
import type { LoggedPushes } from './wal/recovery.ts'
import { listsRawName } from './files/raw-names.ts'
import { readRecord } from './files/read-record.ts'
import { RecordEditor, type Located } from './record-editor.ts'
import { rowOf } from './files/rows.ts'
import type { Now } from '../store.ts'
import { WriteBehind, type WriteBehindOptions } from './write-behind.ts'

export interface ProgressFilesOptions extends WriteBehindOptions {
  /** Whether every push that is no repeat is also added to history/<document>.jsonl. */
  history: boolean
  /** Rows that a history keeps, the newest; 0, or left out, for all. */
  historyLimit?: number
  /** Told of each file that does not parse and was set aside too. */
  onDamage: (error: unknown) => void
}

interface Push extends Located {
  pushed: Progress
  /** Then a record that is there stays. */
  onlyIfNone: boolean
  /** False where the history must not grow. */
  keepsRow: boolean
}

/** <user>/<document>.json and <user>/history/<document>.jsonl, and the log before them. @see STORAGE.md §1, §3 */
export class ProgressFiles {
  readonly #options: ProgressFilesOptions
  readonly #log: WriteAheadLog
  readonly #files: FileCache<Progress>
  readonly #history: HistoryFiles
  readonly #behind: WriteBehind
  readonly #commits: Batcher<Push, Progress | { failure: unknown }>
  /** Folders that the log may hold pushes for. */
  readonly #pushed = new Set<string>()
  /** For a folder that is settled, and stays so meanwhile. */
  readonly editor: RecordEditor

  constructor(log: WriteAheadLog, options: ProgressFilesOptions) {
    this.#options = options
    this.#log = log
    this.#files = new FileCache((text, stats, path) => readRecord(text, stats, path, options.onDamage))
    this.#history = new HistoryFiles(options.historyLimit ?? 0)
    this.editor = new RecordEditor(this.#files, this.#history, options.history)
    const history = options.history ? this.#history : undefined
    this.#behind = new WriteBehind(log, this.#files, history, options)
    this.#commits = new Batcher((_key, pushes) => this.#commit(pushes))
  }

  get(folder: string, document: string): Now<Progress | undefined> {
    const key = cacheKey(folder, document)
    const known = this.#files.peek(key)
    return known?.document === document ? known : this.#locate(key, folder, document).then(({ record }) => record)
  }

  /** Where a push of the document will go, when there is room for it. */
  async locateForPush(folder: string, document: string): Promise<Located> {
    const key = cacheKey(folder, document)
    await this.#behind.makeRoom(key)
    return await this.#locate(key, folder, document)
  }

  /** Takes its turn at once; resolves to the record as it is stored now. */
  async put(push: Push): Promise<Progress> {
    this.notePushes(dirname(push.path))
    const stored = await this.#commits.add('', push)
    if ('failure' in stored) throw stored.failure
    return stored
  }

  /** Takes over pushes of one record that the log kept: its files may hold none, some or all of them. */
  async replay(path: string, { pushes, rows }: Pick<LoggedPushes, 'pushes' | 'rows'>): Promise<void> {
    const last = pushes.at(-1)!
    const key = cacheKey(dirname(path), last.document)
    const found = await this.#findForReplay(key, path)
    const foreign = found !== undefined && found.document !== last.document
    const record = pushes.reduce(nextProgress, foreign ? undefined : found)!
    // The file is newer: somebody put it there since.
    if (record.timestamp > last.timestamp) return
    const lines = rows.map((push) => JSON.stringify(push))
    this.#behind.add({ key, path, record, lines, foreign, unsure: true })
  }

  /** Begins to write the files: after the last replay. */
  begin(): void {
    this.#behind.begin()
  }

  /** Whether nothing but the files is needed. */
  get isWritten(): boolean {
    return this.#behind.isEmpty
  }

  /** Every change, oldest first; the record alone when there is no history. */
  async listHistory(folder: string, document: string): Promise<Progress[]> {
    const { path, record } = await this.#locate(cacheKey(folder, document), folder, document)
    await this.#behind.flush()
    const rows = await readHistory(path)
    return rows.length > 0 || !record ? rows : [rowOf(record)]
  }

  /** Notes that the log holds pushes for the folder. */
  notePushes(folder: string): void {
    this.#pushed.add(folder)
  }

  /** Whether the log may hold pushes for the folder. */
  hasPushes(folder: string): boolean {
    return this.#pushed.has(folder)
  }

  /** Forgets all of a folder that is gone, or was changed by others; resolves when nothing that was pushed so far can come there any more. */
  async forget(folder: string): Promise<void> {
    await this.#commits.drained('')
    await this.#behind.forget(folder)
    this.clearCache(folder)
  }

  /** Reads the folder's files anew: they are another account's. */
  clearCache(folder: string): void {
    this.#files.deleteFolder(folder)
    this.#history.forget(folder)
  }

  /** Resolves when all that was pushed into the folder is in its files, for good; rejects with why it cannot be. */
  async settle(folder: string): Promise<void> {
    await this.#commits.drained('')
    await this.#behind.flush()
    this.#behind.checkWritten(folder)
    // A power cut may bring back what was removed of the log: it must not undo what is done to the files next.
    await this.#log.append(() => formatTombstone(folder))
  }

  /** Where the record is, or would be. */
  locate(folder: string, document: string): Promise<Located> {
    return this.#locate(cacheKey(folder, document), folder, document)
  }

  /** Writes all that was pushed so far to the files. False when something could not be: it is still in the log. */
  async flush(): Promise<boolean> {
    await this.#commits.drained('')
    return await this.#behind.flush()
  }

  /** Whether nothing is left in the log alone. */
  async close(): Promise<boolean> {
    await this.flush()
    this.#behind.stop()
    return this.isWritten
  }

  /** One file that cannot be read must not keep the server from its start: what was pushed is known from the log. */
  async #findForReplay(key: string, path: string): Promise<Progress | undefined> {
    try {
      return await this.#files.get(key, path)
    } catch (error) {
      this.#options.onDamage(error)
      return undefined
    }
  }

  async #locate(key: string, folder: string, document: string): Promise<Located> {
    const waiting = this.#behind.get(key)
    if (waiting) return waiting
    const path = `${folder}${sep}${toFileName(document)}.json`
    const record = await this.#files.get(key, path)
    if (record?.document === document) return { key, path, record, foreign: false }
    const raw = await this.#locateRaw(key, folder, document)
    return raw ?? { key, path, record: undefined, foreign: record !== undefined }
  }

  /** The file that an older kss made under the document's own name, if it is there and the name inside is the same. */
  async #locateRaw(key: string, folder: string, document: string): Promise<Located | undefined> {
    const path = join(folder, `${document}.json`)
    // Never auth.json: a document of that name was one of Python kss's ways to lose an account.
    if (document === 'auth' || !(await listsRawName(folder, document, '.json'))) return undefined
    const record = await this.#files.get(key, path)
    return record?.document === document ? { key, path, record, foreign: false } : undefined
  }

  /** Makes pushes durable together, one after the other; then they are seen. */
  async #commit(pushes: Push[]): Promise<(Progress | { failure: unknown })[]> {
    const records = new Map<string, Progress>()
    const results: (Progress | { failure: unknown })[] = []
    const added: (() => void)[] = []
    let entries = ''
    for (const { pushed, onlyIfNone, keepsRow, ...located } of pushes) {
      const { key, path, foreign } = located
      const waiting = this.#behind.get(key)
      if (waiting?.failure !== undefined) {
        // One document must not fill the memory while its file cannot be written.
        results.push({ failure: waiting.failure })
        continue
      }
      const newest = records.get(key) ?? this.#newest(located, pushed.document)
      if (onlyIfNone && newest) {
        results.push(newest)
        continue
      }
      const record = nextProgress(newest, pushed)
      const line = JSON.stringify({ ...pushed, timestamp: record.timestamp })
      const isRow = keepsRow && !isRepeat(newest, pushed)
      records.set(key, record)
      entries += formatPush(path, line, isRow)
      const lines = isRow ? [line] : []
      added.push(() => this.#behind.add({ key, path, record, lines, foreign: foreign && !newest, unsure: false }))
      results.push(record)
    }
    if (entries !== '')
      await this.#log.append(
        () => entries,
        () => added.forEach((add) => add()),
      )
    return results
  }

  /** The record by now: others may have been pushed since it was looked up. */
  #newest({ key, record }: Located, document: string): Progress | undefined {
    const known = this.#behind.get(key)?.record ?? this.#files.peek(key)
    return known?.document === document ? known : record
  }
}

function cacheKey(folder: string, document: string): string {
  return folder + sep + document
}
