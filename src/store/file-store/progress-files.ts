import { dirname, join, sep } from 'node:path'
import { isRepeat, nextProgress, type Progress } from '../../kosync/protocol.ts'
import { Batcher } from '../../batcher.ts'
import { FileCache } from './file-cache.ts'
import { toFileName } from './files/file-name.ts'
import { HistoryFiles, readHistory } from './files/history-file.ts'
import type { WriteAheadLog } from './wal/log.ts'
import { Memtable, type LoggedPush } from './wal/memtable.ts'
import { formatKept, formatPush, formatTombstone } from './wal/record.ts'
import { recoverDocument, type LoggedDocument } from './wal/recovery.ts'
import { listsRawName } from './files/raw-names.ts'
import { formatRecord, readRecord, sumOf, type StoredRecord } from './files/read-record.ts'
import { RecordEditor, type Located } from './record-editor.ts'
import { rowOf } from './files/rows.ts'
import type { Figures, Now } from '../store.ts'
import { Checkpoint, type CheckpointOptions } from './wal/checkpoint.ts'
import { lose, readFound } from './wal/document-files.ts'

export interface ProgressFilesOptions extends CheckpointOptions {
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
  readonly #files: FileCache<StoredRecord>
  readonly #history: HistoryFiles
  readonly #memtable = new Memtable()
  readonly #checkpoint: Checkpoint
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

  /** Takes its turn at once; resolves to the record as it is stored now. */
  async put(push: Push): Promise<Progress> {
    this.notePushes(dirname(push.path))
    const stored = await this.#commits.add('', push)
    if ('failure' in stored) throw stored.failure
    return stored
  }

  /** Takes over what the log holds of the document with its record at the path. */
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
      // After another crash they are not added once more, behind later ones.
      await this.#log.append(() => formatKept(path, [], JSON.stringify(record), recovered.sums.slice(-1)))
    } catch (error) {
      // One file that cannot be written must not keep the server from its start.
      lose(entry, error)
      onDamage(error)
    }
  }

  /** Begins to write the files: after the last replay. */
  begin(): void {
    this.#checkpoint.begin()
  }

  /** Whether nothing but the files is needed. */
  get isWritten(): boolean {
    return this.#memtable.isEmpty
  }

  /** Every change, oldest first; the record alone when there is no history. */
  async listHistory(folder: string, document: string): Promise<Progress[]> {
    const { path, record } = await this.#locate(cacheKey(folder, document), folder, document)
    await this.#checkpoint.write()
    const rows = await readHistory(path)
    return rows.length > 0 || !record ? rows : [rowOf(record)]
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

  /** Notes that the log holds pushes for the folder. */
  notePushes(folder: string): void {
    this.#pushed.add(folder)
  }

  /** Forgets all of a folder that is gone, or was changed by others; resolves when nothing that was pushed so far can come there any more. */
  async forget(folder: string): Promise<void> {
    await this.#commits.drained('')
    await this.#checkpoint.forget(folder)
    this.clearCache(folder)
  }

  /** Drops what was pushed for an earlier account with this folder: it must not become that of the next one. */
  async discard(folder: string): Promise<void> {
    if (!this.#pushed.has(folder)) {
      this.clearCache(folder)
      return
    }
    await this.forget(folder)
    await this.#log.append(() => formatTombstone(folder))
  }

  /** Reads the folder's files anew: they are another account's. */
  clearCache(folder: string): void {
    this.#files.deleteFolder(folder)
    this.#history.forget(folder)
  }

  /** Makes all that was pushed into the folder durable in its files; rejects with why it cannot be. No push may be in progress. */
  async settle(folder: string): Promise<void> {
    await this.#checkpoint.flushFolder(folder)
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
    return await this.#checkpoint.run()
  }

  /** Whether nothing is left in the log alone. */
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

  /** The file that an older kss made under the document's own name, if it is there and the name inside is the same. */
  async #locateRaw(key: string, folder: string, document: string): Promise<Located | undefined> {
    const path = join(folder, `${document}.json`)
    // Never auth.json: a document of that name was one of Python kss's ways to lose an account.
    if (document === 'auth' || !(await listsRawName(folder, document, '.json'))) return undefined
    const file = await this.#files.get(key, path)
    return file?.record.document === document ? { key, path, ...file, foreign: false } : undefined
  }

  /** Makes pushes durable together, one after the other; then they are seen. */
  async #commit(pushes: Push[]): Promise<(Progress | { failure: unknown })[]> {
    const records = new Map<string, StoredRecord>()
    const results: (Progress | { failure: unknown })[] = []
    const added: LoggedPush[] = []
    let entries = ''
    for (const push of pushes) {
      const { key, path, foreign, pushed } = push
      const failure = this.#memtable.get(key)?.failure
      const newest = records.get(key) ?? this.#newest(push)
      // One document must not fill the memory while its file cannot be written.
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

  /** The record by now: others may have been pushed since it was looked up. */
  #newest({ key, record, sum, pushed: { document } }: Push): StoredRecord | undefined {
    const known = this.#known(key)
    if (known?.record.document === document) return known
    return record && { record, sum }
  }
}

function cacheKey(folder: string, document: string): string {
  return folder + sep + document
}
