import { dirname, join, sep } from 'node:path'
import { isRepeat, nextProgress, type Progress } from '../../kosync/protocol.ts'
import { Batcher } from '../../batcher.ts'
import { FileCache } from './file-cache.ts'
import { toFileName } from './files/file-name.ts'
import { HistoryFiles, parseRow, readHistory } from './files/history-file.ts'
import type { WriteAheadLog } from './wal/log.ts'
import { Memtable, type LoggedPush } from './wal/memtable.ts'
import { formatKept, formatPush, formatTombstone } from './wal/record.ts'
import { recoverDocument, type LoggedDocument } from './wal/recovery.ts'
import { listsRawName } from './files/raw-names.ts'
import { formatRecord, readRecord, sumOf, type StoredRecord } from './files/read-record.ts'
import { RecordEditor, type Located } from './record-editor.ts'
import { rowOf, withRows } from './files/rows.ts'
import type { Figures, Now } from '../store.ts'
import { Checkpoint, type CheckpointOptions } from './wal/checkpoint.ts'
import { lose, readFound } from './wal/document-files.ts'

export interface ProgressFilesOptions extends CheckpointOptions {
  /** Whether each new position is also appended to history/<document>.jsonl. */
  history: boolean
  /** Rows that a history keeps, the newest; 0, or left out, for all. */
  historyLimit?: number
  /** Also called for each file that does not parse and was set aside. */
  onDamage: (error: unknown) => void
}

interface Push extends Located {
  pushed: Progress
  /** Stores the push only if there is no record yet. */
  onlyIfNone: boolean
  /** False if the account has reached its quota: the push is not added to the history. */
  keepsRow: boolean
}

/** <user>/<document>.json and <user>/history/<document>.jsonl, and the log before them. @see STORAGE.md §1, §3 */
export class ProgressFiles {
  readonly #options: ProgressFilesOptions
  readonly #log: WriteAheadLog
  readonly #files: FileCache<StoredRecord>
  readonly #history: HistoryFiles
  readonly #memtable = new Memtable()
  readonly #checkpoint: Checkpoint
  readonly #commits: Batcher<Push, Progress | { failure: unknown }>
  /** Folders that the log may hold pushes for. */
  readonly #pushed = new Set<string>()
  /** Edits files directly: only after `settle`, while the account is locked. */
  readonly editor: RecordEditor

  constructor(log: WriteAheadLog, options: ProgressFilesOptions) {
    this.#options = options
    this.#log = log
    this.#files = new FileCache((text, stats, path) => readRecord(text, stats, path, options.onDamage))
    this.#history = new HistoryFiles(options.historyLimit ?? 0)
    this.editor = new RecordEditor(this.#files, this.#history, options.history)
    const history = options.history ? this.#history : undefined
    this.#checkpoint = new Checkpoint({ log, memtable: this.#memtable, files: this.#files, history }, options)
    this.#commits = new Batcher((_key, pushes) => this.#commit(pushes))
  }

  get figures(): Figures {
    const { flushed, bytes: logBytes } = this.#log
    const { hits: cacheHits, misses: cacheMisses } = this.#files.looks
    const lagSeconds = this.#checkpoint.lag / 1000
    return { flushes: flushed.count, flushSeconds: flushed.ms / 1000, logBytes, lagSeconds, cacheHits, cacheMisses }
  }

  /** Why there is no room for a push, as far as is known. */
  get failure(): unknown {
    return this.#checkpoint.failure
  }

  get(folder: string, document: string): Now<Progress | undefined> {
    const key = cacheKey(folder, document)
    const known = this.#known(key)?.record
    return known?.document === document ? known : this.#locate(key, folder, document).then(({ record }) => record)
  }

  /** Waits while the log or the memtable is full. Returns a promise only then. */
  makeRoom(): Promise<void> | undefined {
    return this.#checkpoint.makeRoom()
  }

  /** Joins the next group commit. Resolves to the stored record. */
  async put(push: Push): Promise<Progress> {
    this.notePushes(dirname(push.path))
    const stored = await this.#commits.add('', push)
    if ('failure' in stored) throw stored.failure
    return stored
  }

  /** Recovers the document with its record at the path from the log. */
  async replay(path: string, logged: LoggedDocument): Promise<void> {
    const { onDamage, history } = this.#options
    const recovered = recoverDocument(logged, await readFound(path, onDamage), path)
    const { record, rows, keepsFile } = recovered
    const key = cacheKey(dirname(path), record.document)
    if (!keepsFile) {
      this.#memtable.restore(key, path, recovered)
      return
    }
    const entry = this.#memtable.keep(key, path, recovered)
    try {
      if (history) await this.#history.addMissing(path, rows)
      // Otherwise another crash would add these lines again, after later ones.
      await this.#log.append(() => formatKept(path, [], JSON.stringify(record), recovered.sums.slice(-1)))
    } catch (error) {
      // A file that cannot be written does not stop the start.
      lose(entry, error)
      onDamage(error)
    }
  }

  /** Starts writing files, after the last `replay`. */
  begin(): void {
    this.#checkpoint.begin()
  }

  /** Whether the files hold everything, durably. */
  get isWritten(): boolean {
    return this.#memtable.isEmpty
  }

  /** Every change, oldest first; the record alone when there is no history. */
  async listHistory(folder: string, document: string): Promise<Progress[]> {
    const { path, record } = await this.#locate(cacheKey(folder, document), folder, document)
    await this.#checkpoint.write()
    const unwritten = this.unwrittenRows(folder, document)
    const rows = withRows(await readHistory(path), unwritten)
    return rows.length > 0 || !record ? rows : [rowOf(record)]
  }

  /** The rows that could not be written to the document's history yet, oldest first. After `write` the disk is why. */
  unwrittenRows(folder: string, document: string): Progress[] {
    const { path, pending } = this.#memtable.get(cacheKey(folder, document)) ?? {}
    if (!path || !pending || !this.#options.history) return []
    return pending.lines.map((line) => parseRow(line, path)!)
  }

  /** The records of the folder that are newer than their files. */
  pendingRecords(folder: string): { path: string; record: Progress }[] {
    return this.#memtable
      .entriesOf(folder)
      .flatMap(({ path, pending }) => (pending ? { path, record: pending.record } : []))
  }

  /** Writes all that was pushed so far to the files, so that they can be read; not durably. */
  write(): Promise<void> {
    return this.#checkpoint.write()
  }

  /** Records that the log may hold pushes for the folder. */
  notePushes(folder: string): void {
    this.#pushed.add(folder)
  }

  /** Drops the folder's memtable entries and caches. Resolves when no earlier push can be written there any more. */
  async forget(folder: string): Promise<void> {
    await this.#commits.drained('')
    await this.#checkpoint.forget(folder)
    this.clearCache(folder)
  }

  /** Drops the pushes of an earlier account with this folder name, durably, so that they do not reach the next account. */
  async discard(folder: string): Promise<void> {
    if (!this.#pushed.has(folder)) {
      this.clearCache(folder)
      return
    }
    await this.forget(folder)
    await this.#log.append(() => formatTombstone(folder))
  }

  /** Drops the folder's cached files. */
  clearCache(folder: string): void {
    this.#files.deleteFolder(folder)
    this.#history.forget(folder)
  }

  /** Writes all pushes of the folder to its files, durably. The account must be locked. Rejects if a file cannot be written. */
  async settle(folder: string): Promise<void> {
    await this.#checkpoint.flushFolder(folder)
    // Otherwise recovery could replay old pushes over the change that follows.
    await this.#log.append(() => formatTombstone(folder))
  }

  /** Finds the record, or the path that a new one gets. */
  locate(folder: string, document: string): Promise<Located> {
    return this.#locate(cacheKey(folder, document), folder, document)
  }

  /** Writes all pushes so far to the files, durably. False if some of them could not be written and are still in the log. */
  async flush(): Promise<boolean> {
    await this.#commits.drained('')
    return await this.#checkpoint.run()
  }

  /** Whether the files hold everything. */
  async close(): Promise<boolean> {
    await this.flush()
    this.#checkpoint.stop()
    return this.isWritten
  }

  async #locate(key: string, folder: string, document: string): Promise<Located> {
    const { pending, path: known, foreign = false } = this.#memtable.get(key) ?? {}
    if (pending && known !== undefined) return { key, path: known, record: pending.record, sum: pending.sum, foreign }
    const path = `${folder}${sep}${toFileName(document)}.json`
    const file = await this.#files.get(key, path)
    if (file?.record.document === document) return { key, path, ...file, foreign: false }
    const raw = await this.#locateRaw(key, folder, document)
    return raw ?? { key, path, record: undefined, sum: null, foreign: file !== undefined }
  }

  /** The file that an older kss named after the document itself, if the document's name is in it. */
  async #locateRaw(key: string, folder: string, document: string): Promise<Located | undefined> {
    const path = join(folder, `${document}.json`)
    // Never auth.json: in Python kss a document of that name overwrote the credential.
    if (document === 'auth' || !(await listsRawName(folder, document, '.json'))) return undefined
    const file = await this.#files.get(key, path)
    return file?.record.document === document ? { key, path, ...file, foreign: false } : undefined
  }

  /** Makes a batch of pushes durable with one flush (group commit); then they are visible to readers. */
  async #commit(pushes: Push[]): Promise<(Progress | { failure: unknown })[]> {
    const records = new Map<string, StoredRecord>()
    const results: (Progress | { failure: unknown })[] = []
    const added: LoggedPush[] = []
    let entries = ''
    for (const push of pushes) {
      const { key, path, foreign, pushed } = push
      const failure = this.#memtable.get(key)?.failure
      const newest = records.get(key) ?? this.#newest(push)
      // Refused: the pushes of a document whose file cannot be written must not fill the memory.
      if (failure !== undefined) results.push({ failure })
      else if (push.onlyIfNone && newest) results.push(newest.record)
      else {
        const record = nextProgress(newest?.record, pushed)
        const line = JSON.stringify({ ...pushed, timestamp: record.timestamp })
        const text = formatRecord(record)
        const [before, after] = [newest?.sum ?? null, sumOf(text)]
        const isRow = push.keepsRow && !isRepeat(newest?.record, pushed)
        const whole = text === `${line}\n` ? undefined : text.slice(0, -1)
        entries += formatPush(path, { push: line, isRow, record: whole, before, after })
        records.set(key, { record, sum: after })
        added.push({
          key,
          path,
          record,
          sum: after,
          before,
          line: isRow ? line : undefined,
          foreign: foreign && !newest,
        })
        results.push(record)
      }
    }
    if (entries !== '')
      await this.#log.append(
        () => entries,
        () => added.forEach((push) => this.#checkpoint.add(push)),
      )
    return results
  }

  /** The newest record, if it is in memory. */
  #known(key: string): StoredRecord | undefined {
    return this.#memtable.get(key)?.pending ?? this.#files.peek(key)
  }

  /** The newest record: other pushes may have been committed since the lookup. */
  #newest({ key, record, sum, pushed: { document } }: Push): StoredRecord | undefined {
    const known = this.#known(key)
    if (known?.record.document === document) return known
    return record && { record, sum }
  }
}

function cacheKey(folder: string, document: string): string {
  return folder + sep + document
}
