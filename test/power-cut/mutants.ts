import type { Mutant } from './record.ts'

/** Each leaves out one thing that a power cut needs. */
export const mutants: (Mutant & { samples?: number })[] = [
  {
    name: 'does not flush the folder of a new journal file',
    file: 'store/file-store/wal/journal.js',
    text: 'await syncFolder(this.#dir);',
    by: '',
  },
  {
    name: 'does not flush the folder after a new user’s folder got its name',
    file: 'store/file-store/user-files.js',
    text: 'await renameFile(temp, folder);\n        try {\n            await syncFolder(this.#dir);',
    by: 'await renameFile(temp, folder);\n        try {',
  },
  {
    name: 'acknowledges without a flush of the journal',
    file: 'store/file-store/wal/journal.js',
    text: 'await current.file.sync();',
    by: '',
  },
  {
    name: 'renames a file that is not flushed',
    file: 'durable.js',
    text: 'await file.writeFile(data);\n        await flush(file);',
    by: 'await file.writeFile(data);',
  },
  {
    name: 'drops the journal before the folder of the records is flushed',
    file: 'durable.js',
    text: 'await renameFile(temp, path);\n        await syncFolder(dirname(path));',
    by: "await renameFile(temp, path);\n        if (path.endsWith('auth.json')) await syncFolder(dirname(path));",
  },
  {
    name: 'drops the journal before the history is flushed',
    file: 'durable.js',
    text: 'await file.sync();\n        if (size === 0)',
    by: 'if (size === 0)',
  },
  {
    name: 'does not flush the folder of a new history file',
    file: 'durable.js',
    text: 'if (size === 0)\n            await syncFolder(dirname(path));',
    by: '',
  },
  {
    name: 'says that a user is gone before the folder is flushed',
    file: 'store/file-store/user-files.js',
    text: 'await syncFolder(this.#dir);\n        await rm(temp',
    by: 'await rm(temp',
  },
  {
    name: 'does not note a new user in the journal',
    file: 'store/file-store/file-store.js',
    text: 'await this.#journal.append(() => voidLine(folder));',
    by: '',
  },
  {
    name: 'drops the journal before it is in the files',
    file: 'store/file-store/write-behind.js',
    text: 'await Promise.all(Array.from({ length: writers }, () => this.#writeEach(next)));',
    by: 'await this.#journal.dropBefore(before); await Promise.all([this.#writeEach(next)]);',
  },
  {
    name: 'keeps pushes anew in lines that a cut may tear apart',
    samples: 4,
    file: 'store/file-store/wal/journal-entry.js',
    text: 'return journalLine(`{"folder":${folder},"file":${file},"kept":{"rows":[${rows.join()}],"record":${record}}}`);',
    by: `const place = \`"folder":\${folder},"file":\${file}\`;
    const pushes = [...rows.map((row) => \`,"push":\${row}\`), \`,"push":\${record},"row":false\`];
    return ['', ...pushes].map((push) => journalLine(\`{\${place}\${push}}\`)).join('');`,
  },
]

/** Matter only after a process was killed, when it began this flush. */
export const killedMutants: (Mutant & { flush: number })[] = [
  {
    name: 'does not flush the journal that it found',
    file: 'store/file-store/file-store.js',
    text: 'await syncJournal(folder);',
    by: '',
    flush: 22,
  },
  {
    name: 'does not flush the state directory at the start',
    file: 'store/file-store/file-store.js',
    text: 'await syncFolder(dir);',
    by: '',
    flush: 5,
  },
]
