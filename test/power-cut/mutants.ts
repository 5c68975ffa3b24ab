import type { Mutant } from '../own-build.ts'
import type { Session } from './record.ts'

/** `name` ends the sentence "it would be found if the store"; `samples` are the random states of each cut. */
export type NamedMutant = Mutant & { name: string; samples?: number; sessions?: Session[] }

const log = 'store/file-store/wal/log.ts'
const spare = 'store/file-store/wal/spare-segment.ts'
const checkpoint = 'store/file-store/wal/checkpoint.ts'
const documents = 'store/file-store/wal/document-files.ts'

/** Each leaves out one thing that a power cut needs. */
export const mutants: NamedMutant[] = [
  {
    name: 'does not flush the folder of a new segment',
    file: log,
    text: 'const file = await this.#openNew(path) try { await syncFolder(this.#paths.log)',
    by: 'const file = await this.#openNew(path)\n try {',
    // Else the flush of a preallocated segment's new name nearly always comes first, and hides it.
    sessions: [{ part: 'unallocated' }],
  },
  {
    name: 'acknowledges what it appended to a new segment without a flush',
    file: log,
    text: 'else await current.file.sync()',
    by: '',
  },
  {
    name: 'acknowledges what it appended to a preallocated segment without a flush',
    file: log,
    text: 'await current.file.datasync()',
    by: 'await Promise.resolve()',
  },
  {
    name: 'flushes only the data of a segment that grows',
    file: log,
    text: 'else await current.file.sync()',
    by: 'else await current.file.datasync()',
  },
  {
    name: 'does not flush the length and blocks of a preallocated segment',
    file: spare,
    text: 'await file.sync() } catch (error) { await file.close() await rm(temp',
    by: '} catch (error) { await file.close(); await rm(temp',
  },
  {
    name: 'does not flush the folder after a segment got its number',
    file: spare,
    text: 'await renameFile(from, path) await syncFolder(dir)',
    by: 'await renameFile(from, path)',
  },
  {
    name: 'leaves the number of the segment out of the CRC of a batch',
    file: 'store/file-store/wal/record.ts',
    text: 'return digits(number) }',
    by: 'return digits(0 * number) }',
  },
  {
    name: 'does not raise the format before it begins a log',
    file: log,
    text: 'if (!this.#isRaised) await raiseFormat(this.#paths.state)',
    by: '',
  },
  {
    name: 'lowers the format before the removal of the log is durable',
    sessions: [{ part: 'old' }, { part: 'goOn' }],
    file: log,
    text: 'await unlessAbsent(syncFolder(this.#paths.log))',
    by: '',
  },
  {
    name: 'does not flush the folder after a new user’s folder got its name',
    file: 'store/file-store/user-files.ts',
    text: 'await this.#move(temp, folder)',
    by: 'await renameFile(temp, folder)',
  },
  {
    name: 'renames a file that is not flushed',
    file: 'durable.ts',
    text: 'await file.writeFile(data as string) await flush(file)',
    by: 'await file.writeFile(data as string)',
  },
  {
    name: 'frees the log before a record is flushed',
    file: documents,
    text: 'await syncFile(entry.path)',
    by: '',
  },
  {
    name: 'frees the log before the folder of the records is flushed',
    file: documents,
    text: 'await unlessAbsent(syncFolder(folder))',
    by: '',
  },
  {
    name: 'frees the log before a history is flushed',
    file: 'store/file-store/files/history-file.ts',
    text: 'await syncFile(path) if (isNew)',
    by: 'if (isNew)',
  },
  {
    name: 'does not flush the folder of a new history file',
    file: 'store/file-store/files/history-file.ts',
    text: 'if (isNew) await unlessAbsent(syncFolder(dirname(path)))',
    by: '',
  },
  {
    name: 'says that a user is gone before the folder is flushed',
    file: 'store/file-store/user-files.ts',
    text: 'this.#move(user.folder, temp)',
    by: 'renameFile(user.folder, temp)',
  },
  {
    name: 'does not note a new user in the log',
    file: 'store/file-store/progress-files.ts',
    text: 'await this.forget(folder) await this.#log.append(() => formatTombstone(folder))',
    by: 'await this.forget(folder)',
  },
  {
    name: 'recycles a segment before it is in the files',
    file: checkpoint,
    text: 'await this.#startRound(true) const failed',
    by: 'await this.#log.dropBefore(before); await this.#startRound(true); const failed',
  },
  {
    name: 'drops the journal of an older kss before it is in the files',
    sessions: [{ part: 'old' }, { part: 'goOn' }],
    file: checkpoint,
    text: 'await this.#startRound(true) const failed',
    by: 'await this.#log.dropBefore(before); await this.#startRound(true); const failed',
  },
  {
    name: 'keeps pushes anew in an append of its own after their tombstones',
    samples: 4,
    file: checkpoint,
    text: "return failed.map(({ entry }) => (written.includes(entry) ? '' : formatPending(entry))).join('')",
    by: `void this.#log.append(() => failed.map(({ entry }) => formatPending(entry)).join(''));
      return failed.map(({ entry: { path } }) => {
        const [folder, file] = path.split('/').slice(-2);
        return \`\${JSON.stringify({ kind: 'tombstone', folder, file })}\\n\`;
      }).join('');`,
  },
]

/** Matter only after a process was killed, when it began this flush; `call` is fsync if left out. */
export const killedMutants: (NamedMutant & { flush: number; call?: string })[] = [
  {
    name: 'does not flush the state directory at the start',
    file: 'store/file-store/file-store.ts',
    text: 'await syncFolder(dir)',
    by: '',
    flush: 13,
  },
  {
    name: 'trusts a file because it is there',
    file: 'store/file-store/wal/recovery.ts',
    text: 'if (!own || isKnown) return',
    by: 'if (!own) return',
    flush: 12,
    call: 'fdatasync',
  },
]
