import type { Mutant } from '../own-build.ts'

/** `name` ends the sentence "it would be found if the store"; `samples` are the random states of each cut. */
export type NamedMutant = Mutant & { name: string; samples?: number }

/** Each leaves out one thing that a power cut needs. */
export const mutants: NamedMutant[] = [
  {
    name: 'does not flush the folder of a new journal file',
    file: 'store/file-store/wal/journal.ts',
    text: 'await syncFolder(this.#dir)',
    by: '',
  },
  {
    name: 'does not flush the folder after a new user’s folder got its name',
    file: 'store/file-store/user-files.ts',
    text: 'await renameFile(temp, folder) try { await syncFolder(this.#dir)',
    by: 'await renameFile(temp, folder)\n try {',
  },
  {
    name: 'acknowledges without a flush of the journal',
    file: 'store/file-store/wal/journal.ts',
    text: 'await current.file.sync()',
    by: '',
  },
  {
    name: 'renames a file that is not flushed',
    file: 'durable.ts',
    text: 'await file.writeFile(data as string) await flush(file)',
    by: 'await file.writeFile(data as string)',
  },
  {
    name: 'drops the journal before the folder of the records is flushed',
    file: 'durable.ts',
    text: 'await renameFile(temp, path) await syncFolder(dirname(path))',
    by: "await renameFile(temp, path); if (path.endsWith('auth.json')) await syncFolder(dirname(path))",
  },
  {
    name: 'drops the journal before the history is flushed',
    file: 'durable.ts',
    text: 'await file.sync() if (size === 0)',
    by: 'if (size === 0)',
  },
  {
    name: 'does not flush the folder of a new history file',
    file: 'durable.ts',
    text: 'if (size === 0) await syncFolder(dirname(path))',
    by: '',
  },
  {
    name: 'says that a user is gone before the folder is flushed',
    file: 'store/file-store/user-files.ts',
    text: 'await syncFolder(this.#dir) await rm(temp',
    by: 'await rm(temp',
  },
  {
    name: 'does not note a new user in the journal',
    file: 'store/file-store/file-store.ts',
    text: 'await this.#journal.append(() => voidLine(folder))',
    by: '',
  },
  {
    name: 'drops the journal before it is in the files',
    file: 'store/file-store/write-behind.ts',
    text: 'await Promise.all(Array.from({ length: writers }, () => this.#writeEach(next)))',
    by: 'await this.#journal.dropBefore(before); await Promise.all([this.#writeEach(next)]);',
  },
  {
    name: 'keeps pushes anew in lines that a cut may tear apart',
    samples: 4,
    file: 'store/file-store/wal/journal-entry.ts',
    text: 'return journalLine(`{"folder":${folder},"file":${file},"kept":{"rows":[${rows.join()}],"record":${record}}}`)',
    by: `const place = \`"folder":\${folder},"file":\${file}\`;
    const pushes = [...rows.map((row) => \`,"push":\${row}\`), \`,"push":\${record},"row":false\`];
    return ['', ...pushes].map((push) => journalLine(\`{\${place}\${push}}\`)).join('');`,
  },
]

/** Matter only after a process was killed, when it began this flush. */
export const killedMutants: (NamedMutant & { flush: number })[] = [
  {
    name: 'does not flush the journal that it found',
    file: 'store/file-store/file-store.ts',
    text: 'await syncJournal(folder)',
    by: '',
    flush: 22,
  },
  {
    name: 'does not flush the state directory at the start',
    file: 'store/file-store/file-store.ts',
    text: 'await syncFolder(dir)',
    by: '',
    flush: 5,
  },
]
